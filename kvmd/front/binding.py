"""Sockets that listen: bound on an address of IP or on a Unix socket's path, or by systemd before."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kvmd.contract.addresses import parse_address

BACKLOG = 128

IpName = tuple[Any, ...]
"""What ``getsockname()`` says of IP: host, port, and more of IPv6."""

Bound = tuple[socket.socket, Callable[[], None]]
"""A socket that listens, and what takes away what it leaves behind once it is closed."""


def bind(address: str, mode: int, inherited: list[socket.socket]) -> Bound:
    """Listen on an address.

    :param mode: of a Unix socket
    :param inherited: those that listen already; the one on this address is taken out and used
    :raises OSError: it cannot be bound
    """
    place = parse_address(address)
    if isinstance(place, Path):
        bound = _take(inherited, str(place)) or _bind_path(place, mode)
    else:
        name = _resolve(*place)
        bound = _take(inherited, name) or (_bind_ip(name), _leave_nothing)
    bound[0].setblocking(False)
    return bound


def reason(error: OSError) -> str:
    """Return the system's words, without what Python adds: ``… (while attempting to bind on address …)``."""
    return (error.strerror or str(error)).partition(" (while ")[0]


def _leave_nothing() -> None:
    pass


def _take(inherited: list[socket.socket], name: IpName | str) -> Bound | None:
    found = next((sock for sock in inherited if sock.getsockname() == name), None)
    if found is None:
        return None
    inherited.remove(found)
    return found, _leave_nothing


def _resolve(host: str, port: int) -> IpName:
    """Return the name that a socket will have there."""
    if host == "::" and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104  # the same wish, as this machine can fulfil it
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][4]


def _bind_ip(name: IpName) -> socket.socket:
    family = socket.AF_INET6 if ":" in name[0] else socket.AF_INET
    return socket.create_server(name, family=family, backlog=BACKLOG, dualstack_ipv6=name[0] == "::")


def _bind_path(path: Path, mode: int) -> Bound:
    """Listen on a path; a socket there on which nobody listens any more is replaced."""
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), mode)  # the file is made with this mode, less the umask: at no moment with more
        sock.bind(str(path))
        made = path.stat()
        path.chmod(mode)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise

    def clean() -> None:
        with contextlib.suppress(OSError):
            if (now := path.stat()).st_ino == made.st_ino and now.st_dev == made.st_dev:
                path.unlink()

    return sock, clean


def _remove_stale(path: Path) -> None:
    """Remove what a daemon that was killed has left.

    :raises OSError: it is no socket, or somebody listens there
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its backlog is full
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
