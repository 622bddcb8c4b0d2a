"""``kvmd session``: who is logged in."""

from __future__ import annotations

from urllib.parse import quote

import click

from kvmd.cli.common import common_options, json_option, print_json, read_settings
from kvmd.cli.daemon import ask


@click.group()
def session() -> None:
    """List and end the sessions of those who are logged in."""


@session.command("list")
@json_option
@common_options
@click.pass_context
def session_list(context: click.Context, as_json: bool) -> None:
    """List the sessions, the one that was used last at the end."""
    sessions = ask(read_settings(context), "GET", "/api/sessions")["data"]
    if as_json:
        print_json(sessions)
    for each in [] if as_json else sessions:
        began = each["began"].partition(".")[0].replace("T", " ")
        click.echo(f"{each['id']}  {each['user']} from {each['address']}, since {began} UTC, idle {each['idle']:.0f} s")


@session.command("end")
@click.argument("identifier", metavar="ID")
@common_options
@click.pass_context
def session_end(context: click.Context, identifier: str) -> None:
    """End the session ID, as `kvmd session list` shows it; its streams end within a second."""
    ask(read_settings(context), "DELETE", f"/api/sessions/{quote(identifier, safe='')}")
    click.echo("the session is ended")
