"""A picture as bytes: a part of a multipart answer, or a message of a WebSocket; see docs/socket.md for that one."""

from __future__ import annotations

import struct
import time

from kvmd.contract.capture import Frame
from kvmd.front.websocket import BINARY, frame
from kvmd.system.clock import milliseconds

BOUNDARY = "kvmd"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
PLAIN_TYPE = f"multipart/mixed; boundary={BOUNDARY}"
"""The same, for scripts of pages: WebKit takes the other one apart by itself, and gives them nothing of it."""
FIRST = f"--{BOUNDARY}\r\n".encode()
"""What comes before the first part."""

HEADER = struct.Struct(">BBBBIdII")
"""Version, kind, flags, bytes of this header, number, time in milliseconds of the daemon's clock, width, height."""
VERSION = 1
JPEG = 1
KEY, LIVE = 1, 2
"""Flags: it can be shown without those before it; it shows the target's screen, and is no slate."""


def to_part(picture: Frame, now: float, ended: str = "") -> bytes:
    """Build a part; the boundary at its end lets a browser show it at once.

    :param now: in seconds of ``time.monotonic()``
    :param ended: why it is the last one, for programs
    """
    last = f"X-Ended: {ascii(ended)[1:-1]}\r\n" if ended else ""
    head = (
        "Content-Type: image/jpeg\r\n"
        f"Content-Length: {len(picture.data)}\r\n"
        f"X-Timestamp: {time.time() - (now - picture.timestamp):.6f}\r\n"
        f"X-Sequence: {picture.sequence}\r\n"
        f"{last}\r\n"
    )
    return b"".join((head.encode(), picture.data, f"\r\n--{BOUNDARY}\r\n".encode()))


def to_message(picture: Frame, number: int, *, live: bool) -> bytes:
    """Build a message, a frame of its own.

    :param number: of the picture; its last 32 bits are sent
    """
    flags = KEY | (LIVE if live else 0)
    taken = milliseconds(picture.timestamp)
    header = HEADER.pack(VERSION, JPEG, flags, HEADER.size, number & 0xFFFFFFFF, taken, picture.width, picture.height)
    return b"".join((frame(BINARY, header, HEADER.size + len(picture.data)), picture.data))
