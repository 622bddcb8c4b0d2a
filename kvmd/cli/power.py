"""``kvmd power``: the target's power, through the daemon that runs; and letting go of its buttons where none does."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kvmd.access.credentials import Credentials
from kvmd.cli.common import common_options, json_option, make_kvm, print_json, read_settings
from kvmd.contract.addresses import UNIX, parse_address
from kvmd.contract.power import PowerButton
from kvmd.contract.settings import Settings
from kvmd.errors import DeviceAbsent, DriverError, KvmdError

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPSConnection

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
    import http.client  # noqa: PLC0415  # it is slow to import, and `kvmd --help` needs none

    method, body = ("GET", None) if wanted is None else ("POST", json.dumps(wanted))
    address, connection = _connection(settings)
    try:
        with _key(settings) as key:
            connection.request(method, "/api/power", body, {"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            return _answer(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise DriverError(f"the daemon does not answer on {address}: systemctl start kvmd") from error
    finally:
        connection.close()


def _answer(code: int, content: bytes) -> dict[str, Any]:
    """Read the daemon's answer.

    :raises KvmdError: it refused
    """
    try:
        answer: dict[str, Any] = json.loads(content)
        words = str(answer["info"])
    except (ValueError, KeyError, TypeError):
        raise KvmdError(f"HTTP {code}, and not as kvmd answers: another program has its port") from None
    if code != 200:
        raise DriverError(words) if code == 503 else KvmdError(words)
    return answer


def _connection(settings: Settings) -> tuple[str, HTTPConnection]:
    """Say where the daemon can be reached from here, and how; it is not connected yet."""
    import http.client  # noqa: PLC0415  # as in _ask

    class UnixConnection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(str(place))

    web = settings.web
    plain = web.listen if web.http == "api" else []
    for address in sorted(plain or web.tls_listen, key=lambda address: address.startswith(f"{UNIX}:")):
        place = parse_address(address)
        if isinstance(place, tuple):
            host = ANY_ADDRESS.get(place[0], place[0])
            connect = http.client.HTTPConnection if plain else _unquestioned
            return f"{host}, port {place[1]}", connect(host, place[1], timeout=PATIENCE)
        if plain:
            return address, UnixConnection("localhost", timeout=PATIENCE)
    raise DriverError("the daemon has no address for this: set web.listen")


def _unquestioned(host: str, port: int, timeout: float) -> HTTPSConnection:
    """Connect with TLS, and take any certificate: it is this machine that answers, whatever its names are."""
    import http.client  # noqa: PLC0415  # as in _ask
    import ssl  # noqa: PLC0415  # likewise

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


@contextmanager
def _key(settings: Settings) -> Iterator[str]:
    """Make an API key that is gone in the end; only who may write the daemon's file can."""
    credentials, name = Credentials(Path(settings.auth.file)), f"kvmd power {os.getpid()}"
    if not credentials.stamp:
        raise DriverError("the daemon has not been started yet: systemctl start kvmd")
    key = credentials.add_key(name)
    try:
        yield key
    finally:
        credentials.remove_key(name)
