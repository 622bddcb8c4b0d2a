"""``kvmd passwd`` and ``kvmd apikey``: who may log in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kvmd.access.credentials import USER, Credentials, check_password
from kvmd.cli.common import common_options, json_option, print_json, read_settings


@click.command()
@click.argument("user", default=USER)
@click.option("--stdin", "piped", is_flag=True, help="Read the password from standard input instead of asking.")
@common_options
@click.pass_context
def passwd(context: click.Context, user: str, piped: bool) -> None:
    """Set the password of USER (default: admin)."""
    credentials = _credentials(context)
    if piped:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt(f"New password for {user}", hide_input=True, confirmation_prompt=True)
    check_password(password)
    credentials.set_password(user, password)
    click.echo(f"the password of {user} is set")


@click.group()
def apikey() -> None:
    """Make, list and remove API keys, which programs send instead of a login."""


@apikey.command("add")
@click.argument("name")
@json_option
@common_options
@click.pass_context
def apikey_add(context: click.Context, name: str, as_json: bool) -> None:
    """Make an API key named NAME and show it, this once."""
    key = _credentials(context).add_key(name)
    if as_json:
        print_json({"name": name, "key": key})
    else:
        click.echo(f"{key}\n\nkeep it: it is not shown again; send it as: Authorization: Bearer {key}")


@apikey.command("list")
@json_option
@common_options
@click.pass_context
def apikey_list(context: click.Context, as_json: bool) -> None:
    """List the API keys."""
    keys = _credentials(context).read().keys
    if as_json:
        print_json([{"name": name, "created": key.created} for name, key in keys.items()])
    for name, key in {} if as_json else keys.items():
        click.echo(f"{name}  made {key.created:%Y-%m-%d %H:%M} UTC")


@apikey.command("remove")
@click.argument("name")
@common_options
@click.pass_context
def apikey_remove(context: click.Context, name: str) -> None:
    """End the API key named NAME."""
    _credentials(context).remove_key(name)
    click.echo(f"the API key {name} is removed")


def _credentials(context: click.Context) -> Credentials:
    return Credentials(Path(read_settings(context).auth.file))
