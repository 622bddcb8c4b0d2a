"""``kvmd passwd``, ``kvmd user`` and ``kvmd apikey``: who may log in, and what they may."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from kvmd.access import totp
from kvmd.access.credentials import USER, Credentials, check_password
from kvmd.access.grant import UserRole
from kvmd.cli.common import common_options, json_option, print_json, read_settings

_ROLE = click.Choice([role.value for role in UserRole])
_piped_option = click.option(
    "--stdin", "piped", is_flag=True, help="Read the password from standard input instead of asking."
)


@click.command()
@click.argument("user", default=USER)
@_piped_option
@common_options
@click.pass_context
def passwd(context: click.Context, user: str, piped: bool) -> None:
    """Set the password of USER (default: admin)."""
    password = _ask_password(user, piped)
    check_password(password)
    _credentials(context).set_password(user, password)
    click.echo(f"the password of {user} is set")


@click.group()
def user() -> None:
    """Make, list and remove users; an admin may all, an operator sees and types, a viewer sees."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=_ROLE, default="operator", show_default=True, help="What the user may do.")
@_piped_option
@common_options
@click.pass_context
def user_add(context: click.Context, name: str, role: str, piped: bool) -> None:
    """Make a user named NAME."""
    _credentials(context).add_user(name, _ask_password(name, piped), UserRole(role))
    click.echo(f"{name} can log in, as {role}")


@user.command("remove")
@click.argument("name")
@common_options
@click.pass_context
def user_remove(context: click.Context, name: str) -> None:
    """Remove the user NAME; sessions and streams of theirs end within a second."""
    _credentials(context).remove_user(name)
    click.echo(f"the user {name} is removed")


@user.command("role")
@click.argument("name")
@click.argument("role", type=_ROLE)
@common_options
@click.pass_context
def user_role(context: click.Context, name: str, role: str) -> None:
    """Change what the user NAME may do, from now on."""
    _credentials(context).set_role(name, UserRole(role))
    click.echo(f"{name} has the role {role}")


@user.command("list")
@json_option
@common_options
@click.pass_context
def user_list(context: click.Context, as_json: bool) -> None:
    """List the users."""
    known = sorted(_credentials(context).read().users.items())
    if as_json:
        print_json([{"name": name, "role": each.role, "totp": each.totp is not None} for name, each in known])
    for name, each in [] if as_json else known:
        click.echo(f"{name}  {each.role.value}{'  with one-time codes' if each.totp else ''}")


@user.command("totp")
@click.argument("name")
@click.option("--off", is_flag=True, help="Ask for no codes any more.")
@common_options
@click.pass_context
def user_totp(context: click.Context, name: str, off: bool) -> None:
    """Ask the user NAME for a one-time code at each login, from an authenticator app."""
    credentials = _credentials(context)
    if off:
        credentials.set_totp(name, None)
        click.echo(f"{name} is asked for no codes any more")
        return
    credentials.check_user(name)
    secret = totp.new_secret()
    click.echo(f"secret: {secret}\n{totp.uri(secret, name, socket.gethostname())}")
    click.echo("put one of these into an authenticator app; qrencode -t ansiutf8 shows the second as a QR code")
    totp.check_new(secret, click.prompt("Code that the app shows"))
    credentials.set_totp(name, secret)
    click.echo(f"{name} is asked for a code from now on")


@click.group()
def apikey() -> None:
    """Make, list and remove API keys, which programs send instead of a login."""


@apikey.command("add")
@click.argument("name")
@click.option("--role", type=_ROLE, default="operator", show_default=True, help="What the key allows.")
@click.option("--days", type=click.FloatRange(0, 36500, min_open=True), help="After how many it ends; never without.")
@json_option
@common_options
@click.pass_context
def apikey_add(context: click.Context, name: str, role: str, days: float | None, as_json: bool) -> None:
    """Make an API key named NAME and show it, this once."""
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    key = _credentials(context).add_key(name, UserRole(role), until)
    if as_json:
        print_json({"name": name, "key": key, "role": role, "until": until})
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
        print_json(
            [{"name": name, "role": key.role, "created": key.created, "until": key.until} for name, key in keys.items()]
        )
    for name, key in {} if as_json else keys.items():
        end = f", {'ended' if key.is_over else 'ends'} {key.until:%Y-%m-%d %H:%M} UTC" if key.until else ""
        click.echo(f"{name}  {key.role.value}, made {key.created:%Y-%m-%d %H:%M} UTC{end}")


@apikey.command("remove")
@click.argument("name")
@common_options
@click.pass_context
def apikey_remove(context: click.Context, name: str) -> None:
    """End the API key named NAME; streams that it opened end within a second."""
    _credentials(context).remove_key(name)
    click.echo(f"the API key {name} is removed")


def _ask_password(user: str, piped: bool) -> str:
    if piped:
        return sys.stdin.readline().rstrip("\n")
    password: str = click.prompt(f"New password for {user}", hide_input=True, confirmation_prompt=True)
    return password


def _credentials(context: click.Context) -> Credentials:
    return Credentials(Path(read_settings(context).auth.file))
