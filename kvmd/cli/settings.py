"""``kvmd config``: the settings in force."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kvmd.cli.common import (
    common_options,
    config_path,
    json_option,
    load_registry,
    make_kvm,
    print_json,
    source_name,
)
from kvmd.contract.settings import Settings, source_of
from kvmd.plugins.toml_schema import toml_schema
from kvmd.system.config import options_of, toml_value, value_of, without_secrets


@click.group("config", invoke_without_command=True)
@json_option
@common_options
@click.pass_context
def show_config(context: click.Context, as_json: bool) -> None:
    """Show the settings in force, and where each comes from; passwords and other secrets are left out."""
    if context.invoked_subcommand:
        return
    if as_json:
        print_json({key: {"value": value, "source": source} for key, (value, source) in _shown(context).items()})
        return
    for line in in_force(context):
        click.echo(line)


def in_force(context: click.Context) -> Iterator[str]:
    """Write the settings in force, without secrets, a line each.

    :raises ConfigError: they cannot be used
    """
    for key, (value, source) in _shown(context).items():
        yield f"{key} = {toml_value(value)}  # {source}"


def _shown(context: click.Context) -> dict[str, tuple[object, str]]:
    """Return the value of each setting without secrets, and where it comes from."""
    path, file = config_path(context), source_name(context)
    kvm = make_kvm(context)
    rows = {option.key: (value_of(kvm.settings, option), source_of(path, option)) for option in options_of(Settings)}
    for role, (chosen, source) in kvm.roles.items():
        if source != file:
            rows |= {f"{role}.driver": (chosen.driver, source), f"{role}.options": (chosen.options, source)}
    secrets = {option.key for driver in kvm.registry.drivers for option in options_of(driver.Options) if option.secret}
    return {key: (without_secrets(value, secrets), source) for key, (value, source) in rows.items()}


@show_config.command("schema")
@common_options
def config_schema() -> None:
    """Print the JSON schema of kvmd.toml, for editors: with the options of the drivers that are installed here."""
    print_json(toml_schema(Settings, load_registry().drivers))
