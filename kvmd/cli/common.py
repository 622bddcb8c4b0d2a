"""What the commands share: the options that all take, the settings file, the plug-ins, JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kvmd.access import audit
from kvmd.contract.settings import DEFAULT_PATH, Settings, load
from kvmd.errors import ConfigError
from kvmd.system.journal import JournalHandler, is_stderr
from kvmd.system.recent import RecentLog

if TYPE_CHECKING:
    from kvmd.kvm import Kvm
    from kvmd.plugins.registry import Registry

Command = Callable[..., Any]


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep an option that may stand before or after the command's name."""
    if value is not None:
        context.ensure_object(dict)[parameter.name] = value


def common_options(command: Command) -> Command:
    """Add the options that every command of the daemon takes."""
    for option in (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_remember,
            help=f"The settings file.  [default: {DEFAULT_PATH}]",
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            expose_value=False,
            callback=_remember,
            help="How much to log to stderr.  [default: info]",
        ),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@cache
def load_registry(bundled_only: bool = False) -> Registry:
    """Load the plug-ins that are not switched off, for the commands that need them.

    :param bundled_only: run no code of strangers' packages
    """
    from kvmd.plugins.loading import installed  # noqa: PLC0415  # most commands need none
    from kvmd.plugins.registry import Registry  # noqa: PLC0415  # as above

    return Registry(installed(bundled_only), _disabled())


def _disabled() -> list[str]:
    """Name the plug-ins that are switched off; none where the settings cannot be used, as who needs them will say."""
    context = click.get_current_context(silent=True)
    try:
        return load(config_path(context) if context else None).disabled_plugins
    except ConfigError:
        return []


def config_path(context: click.Context) -> Path | None:
    """Return the settings file that the command line names; None for the default."""
    path: Path | None = context.ensure_object(dict).get("config")
    return path


def source_name(context: click.Context) -> str:
    """Say where the settings come from, for messages."""
    return str(config_path(context) or DEFAULT_PATH)


def read_settings(context: click.Context) -> Settings:
    """Read the settings.

    :raises ConfigError: they cannot be used
    """
    return load(config_path(context))


def make_kvm(context: click.Context) -> Kvm:
    """Make the KVM of the settings, which does nothing until it is started."""
    from kvmd.kvm import Kvm  # noqa: PLC0415  # the encoder is slow to import

    return Kvm(read_settings(context), load_registry(), source_name(context))


def set_log_level() -> None:
    """Log as much as the command line says; the audit with fields, where it is systemd's journal that reads."""
    level = click.get_current_context().ensure_object(dict).get("log_level", "info")
    root, recent = logging.getLogger(), RecentLog()
    root.setLevel(level.upper())
    root.addHandler(recent)
    if is_stderr():
        audit.logger.addHandler(JournalHandler())
        audit.logger.addHandler(recent)
        audit.logger.propagate = False


def print_json(value: object) -> None:
    """Print for programs."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)))
