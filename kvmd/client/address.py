"""Where a daemon is: an URL, taken apart."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from kvmd.client.errors import ClientError

PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where a daemon is.

    :param host: a name or an address, without brackets; of a Unix socket its path
    :param prefix: the folder under which a proxy serves the daemon; empty, or with a slash at its beginning
    :param user: and ``password``: what stood before the host
    """

    scheme: str
    host: str
    port: int = 0
    prefix: str = ""
    user: str = ""
    password: str = ""

    def __str__(self) -> str:
        """Name it for messages, without what is secret."""
        return (
            self.host if self.scheme == "unix" else f"{self.scheme}://{_bracketed(self.host)}:{self.port}{self.prefix}"
        )

    @property
    def authority(self) -> str:
        """What stands in the Host header, where the zone of a link-local address has no place (RFC 9110, 4.2.3)."""
        if self.scheme == "unix":
            return "localhost"
        host = _bracketed(self.host.partition("%")[0])
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Address:
    """Take an URL apart: ``http://HOST[:PORT][/FOLDER]``, ``https://…`` or ``unix:PATH``.

    :raises ClientError: it is none
    """
    if url.startswith("unix:"):
        return Address("unix", url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ClientError(f"no address of a daemon: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ClientError(
            "no address of a daemon; accepted: http://HOST, https://HOST, unix:PATH, such as https://kvm:8443"
        )
    return Address(
        parts.scheme,
        parts.hostname.replace("%25", "%"),  # RFC 6874
        port or PORTS[parts.scheme],
        parts.path.rstrip("/"),
        *_login(parts),
    )


def _login(parts: SplitResult) -> tuple[str, str]:
    return unquote(parts.username or ""), unquote(parts.password or "")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
