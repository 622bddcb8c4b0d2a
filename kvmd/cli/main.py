"""The command line: the core's commands and those of plug-ins."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click

import kvmd
from kvmd.cli import (
    accounts,
    boards,
    certificate,
    doctor,
    new,
    power,
    report,
    serve,
    session,
    settings,
    status,
    survey,
    typing,
    udev_rules,
)
from kvmd.cli.common import common_options, load_registry
from kvmd.errors import AuthError, ConfigError, DriverError, KvmdError

if TYPE_CHECKING:
    from kvmd.plugins.registry import Registry

EXIT_CODES: dict[type[Exception], int] = {ConfigError: 3, DriverError: 4, AuthError: 5}
"""1 is any other failure, 2 a command line that makes no sense."""


class Commands(click.Group):
    """The core's commands; plug-ins, which may add more, are loaded only where these do not suffice: ours first.

    So root's ``kvmd gadget`` runs no code of a stranger's package.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """Name all, sorted."""
        self._add(load_registry())
        return super().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return one of ours, or a plug-in's."""
        if name not in self.commands:
            self._add(load_registry(bundled_only=True))
        if name not in self.commands:
            self._add(load_registry())
        return super().get_command(context, name)

    def _add(self, registry: Registry) -> None:
        for command in registry.commands():
            self.commands.setdefault(command.name or "", command)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kvmd.__version__, prog_name="kvmd")
@common_options
def cli() -> None:
    """See a computer's screen and press its keys over the network.

    Exit codes: 0 done, 1 failed, 2 the command line makes no sense, 3 the settings cannot be used, 4 a device or its
    driver cannot be used, 5 not allowed, 6 the daemon was to end and something hung.
    """


for command in (
    serve.serve,
    serve.demo,
    status.status,
    doctor.doctor,
    report.report,
    survey.devices,
    survey.drivers,
    survey.boards,
    udev_rules.rules,
    settings.show_config,
    accounts.passwd,
    accounts.user,
    session.session,
    accounts.apikey,
    certificate.certificate,
    power.power,
    typing.type_text,
    new.new,
):
    cli.add_command(command)
for command in (boards.check, boards.schema):
    survey.boards.add_command(command)


def main() -> None:
    """Run the command line; what goes wrong is one line on stderr and an exit code."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        cli(prog_name="kvmd")
    except KvmdError as error:
        click.echo(f"kvmd: {error}", err=True)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))
