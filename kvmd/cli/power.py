"""``kvmd power``: the target's power, through the daemon that runs; and letting go of its buttons where none does."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kvmd.access.credentials import Credentials
from kvmd.cli.common import common_options, json_option, make_kvm, print_json, read_settings
from kvmd.contract.power import PowerButton
from kvmd.contract.settings import Settings, parse_address
from kvmd.errors import DeviceAbsent, DriverError, KvmdError

PATIENCE = 30.0
"""Seconds for the daemon to answer, which presses a button for 20 s at most."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104  # they are recognised, and not listened to


@click.group()
def power() -> None:
    """Switch the target on and off, press its buttons, see its lamps."""


@power.command()
@json_option
@common_options
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show whether the target is on, and what is wired."""
    report = _ask(read_settings(context))["data"]
    if as_json:
        print_json(report)
        return
    click.echo(f"target: {report['target']}")
    click.echo(f"{report['driver'] or 'no driver'}: {report['state']}: {report['reason']}")
    click.echo(f"wired: {', '.join(report['capabilities']) or 'nothing'}")
    for remark in report["remarks"]:
        click.echo(remark)


def _action(name: str, words: str) -> click.Command:
    @click.command(name.replace("_", "-"), help=words)
    @common_options
    @click.pass_context
    def act(context: click.Context) -> None:
        click.echo(_ask(read_settings(context), {"action": name})["info"])

    return act


for each in (
    ("on", "Switch the target on, or wake it; nothing is done where it is on."),
    ("off", "Ask the target to shut down; nothing is done where it is off."),
    ("force_off", "Cut the target's power with a long press."),
    ("reset", "Press the reset button."),
):
    power.add_command(_action(*each))


@power.command()
@click.argument("button", type=click.Choice([button.value for button in PowerButton]), default="power")
@click.option("--seconds", type=float, help="How long, 0.1 to 20.  [default: power.short_press]")
@common_options
@click.pass_context
def press(context: click.Context, button: str, seconds: float | None) -> None:
    """Press BUTTON (default: power), whatever the lamp says."""
    length = {} if seconds is None else {"seconds": seconds}
    click.echo(_ask(read_settings(context), {"action": "press", "button": button, **length})["info"])


@power.command()
@common_options
@click.pass_context
def release(context: click.Context) -> None:
    """Release every button, where the daemon was killed in the middle of a press; kvmd.service does it by itself.

    Nothing is done where no power device is there.
    """
    choice = make_kvm(context).choices["power"]
    try:
        driver = choice.make()
        driver.open()
    except DeviceAbsent as error:
        click.echo(f"nothing to release: {error}")
        return
    driver.close()
    click.echo(f"every button of {driver.name} is released")


def _ask(settings: Settings, wanted: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the daemon how power stands, or to do something, with an API key for just this.

    :raises KvmdError: it does not answer, or refuses
    """
    url = f"http://{_address(settings)}/api/power"
    with _key(settings) as key:
        body = None if wanted is None else json.dumps(wanted).encode()
        request = urllib.request.Request(url, body, {"Authorization": f"Bearer {key}"})  # it is HTTP
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310  # as above
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except OSError as error:
            raise DriverError(f"the daemon does not answer at {url}: systemctl start kvmd") from error
    return answer


def _refusal(error: urllib.error.HTTPError) -> KvmdError:
    try:
        words = str(json.load(error)["info"])
    except (ValueError, KeyError, TypeError):
        words = f"the daemon answers with HTTP {error.code}, and not as kvmd does"
    return DriverError(words) if error.code == 503 else KvmdError(words)


def _address(settings: Settings) -> str:
    """Return where the daemon can be reached from here."""
    host, port = parse_address(settings.web.listen[0])
    host = ANY_ADDRESS.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _key(settings: Settings) -> Iterator[str]:
    """Make an API key that is gone in the end; only who may write the daemon's file can."""
    credentials, name = Credentials(Path(settings.auth.file)), f"kvmd power {os.getpid()}"
    key = credentials.add_key(name)
    try:
        yield key
    finally:
        credentials.remove_key(name)
