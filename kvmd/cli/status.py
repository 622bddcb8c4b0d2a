"""``kvmd status``: how the daemon that runs stands, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kvmd.access.credentials import USER, Credentials
from kvmd.cli.common import common_options, json_option, print_json, read_settings
from kvmd.cli.daemon import ask
from kvmd.contract.addresses import parse_address
from kvmd.contract.roles import ROLES
from kvmd.contract.settings import Settings
from kvmd.system.addresses import addresses, host_names

EVERY = {"::", "0.0.0.0"}  # noqa: S104  # as settings have it: nothing is bound here


@click.command()
@json_option
@common_options
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show how the daemon stands, where to open it, and who is logged in.

    The password that the first start has made is shown, too, until it is changed. Needs sudo.
    """
    settings = read_settings(context)
    shown: dict[str, Any] = {
        "status": ask(settings, "GET", "/api/status")["data"],
        "pages": list(pages(settings)),
        "sessions": ask(settings, "GET", "/api/sessions")["data"],
        "first_password": first_password(settings),
    }
    if as_json:
        print_json(shown)
    else:
        click.echo("\n".join(_in_words(**shown)))


def pages(settings: Settings) -> Iterator[str]:
    """List where the page is, with TLS where it is served so."""
    web = settings.web
    scheme, default, listen = ("https", 443, web.tls_listen) if web.tls_listen else ("http", 80, web.listen)
    for place in map(parse_address, listen):
        if isinstance(place, Path):
            continue
        host, port = place
        for name in _names() if host in EVERY else [host]:
            shown = f"[{name}]" if ":" in name else name
            yield f"{scheme}://{shown}/" if port == default else f"{scheme}://{shown}:{port}/"


def first_password(settings: Settings) -> str | None:
    """Return the password that the first start has made; None once it is changed, or for who may not read it."""
    try:
        return Credentials(Path(settings.auth.file)).first_password_path.read_text().strip()
    except OSError:
        return None


def _names() -> list[str]:
    """List what others call this machine."""
    own = [name for name in host_names() if name != "localhost"]
    return [*own, *(str(address) for address in addresses() if not address.is_loopback)] or ["localhost"]


def _in_words(
    status: dict[str, Any], pages: list[str], sessions: list[dict[str, Any]], first_password: str | None
) -> Iterator[str]:
    board = status["board"]
    title = board["title"] if board else "none"
    yield f"kvmd {status['version']}, since {_moment(status['began'])} UTC, board: {title}"
    for role in ROLES:
        yield f"{role.name}: {_facility(status[role.name])}"
    for hang in status["hung"]:
        yield f"{hang['name']} hangs: {hang['doing']} for {hang['seconds']} s"
    yield f"open: {'  '.join(pages) or 'nothing is served on the network'}"
    here = [f"{each['user']} from {each['address']} (idle {each['idle']:.0f} s)" for each in sessions]
    yield f"logged in: {', '.join(here) or 'nobody'}"
    if first_password:
        yield f"first password, for {USER}: {first_password}; change it: sudo kvmd passwd"


def _facility(report: dict[str, Any]) -> str:
    """Say how a role stands, what fills it, and what could be better."""
    device = f" ({report['device']})" if report["device"] else ""
    reason = f": {report['reason']}" if report["reason"] else ""
    return "; ".join([f"{report['state']}{device}{reason}", *report["remarks"]])


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")
