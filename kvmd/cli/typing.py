"""``kvmd type``: text becomes keys, through the daemon that runs."""

from __future__ import annotations

import sys
import threading
from typing import Any

import click

from kvmd.cli.common import common_options, read_settings
from kvmd.cli.daemon import PATIENCE, ask
from kvmd.contract.settings import Settings
from kvmd.errors import KvmdError

PACE = 0.25
"""Seconds between two looks at how far it is."""


@click.command("type")
@click.argument("text", required=False, default="-")
@click.option("--layout", help="What the target is set to, such as de.  [default: hid.layout]")
@click.option("--delay", type=click.FloatRange(0, 1000), help="Milliseconds from one key to the next.  [default: 10]")
@click.option("--layouts", "list_layouts", is_flag=True, help="List the layouts, and type nothing.")
@common_options
@click.pass_context
def type_text(context: click.Context, text: str, layout: str | None, delay: float | None, list_layouts: bool) -> None:
    """Type TEXT on the target; "-", or none: what comes from standard input, which nobody else sees.

    Ctrl+C stops it.
    """
    settings = read_settings(context)
    if list_layouts:
        for each in ask(settings, "GET", "/api/layouts")["data"]["layouts"]:
            click.echo(f"{each['name']:<24} {each['title']}")
        return
    given = {"layout": layout, "delay": delay}
    content = sys.stdin.read() if text == "-" else text
    wish = {"text": content, **{name: value for name, value in given.items() if value is not None}}
    click.echo(_Typing(settings, wish).wait())


class _Typing:
    """A text that the daemon types, asked for by a thread of its own."""

    def __init__(self, settings: Settings, wish: dict[str, Any]) -> None:
        self._settings = settings
        self._wish = wish
        self._said = ""
        self._error: KvmdError | None = None
        # not join(): one that Ctrl+C interrupts takes a thread that runs for one that has ended (CPython issue 90882)
        self._ended = threading.Event()

    def wait(self) -> str:
        """Show how far it is until it has ended, and return what was done.

        :raises KvmdError: not all was typed
        """
        try:
            threading.Thread(target=self._ask, name="kvmd-type", daemon=True).start()
            self._follow()
        except KeyboardInterrupt:
            self._cancel()
        if self._error:
            raise self._error
        return self._said or "it was cancelled"

    def _cancel(self) -> None:
        """Have it cancelled: again and again, as what is still on its way to the daemon is not typed yet."""
        for _ in range(round(PATIENCE / PACE)):
            ask(self._settings, "DELETE", "/api/text")
            if self._ended.wait(PACE):
                break

    def _ask(self) -> None:
        try:
            self._said = ask(self._settings, "POST", "/api/text", self._wish, patience=None)["info"]
        except KvmdError as error:
            self._error = error
        finally:
            self._ended.set()

    def _follow(self) -> None:
        shows = sys.stderr.isatty()
        while not self._ended.wait(PACE):
            report = ask(self._settings, "GET", "/api/text")["data"]
            if shows and report.get("state") == "typing":
                click.echo(f"\r{report['typed']} of {report['length']} characters", nl=False, err=True)
        if shows:
            click.echo("\r\033[K", nl=False, err=True)
