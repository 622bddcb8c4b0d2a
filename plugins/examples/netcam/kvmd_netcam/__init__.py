"""Network cameras that send MJPEG over HTTP, such as one that looks at a screen.

For: cameras with an address that answers with multipart/x-mixed-replace, as most do beside RTSP: look for "MJPEG" or
"HTTP stream" in the camera's manual. µStreamer, mjpg-streamer and another kvmd (``:8008/stream``) send the same.

Works: pictures, passed on as they come; Basic and Digest logins; HTTPS with a certificate that this machine trusts.
Does not: RTSP, sound, certificates that a camera made for itself. Tested with its simulator alone.

The stream is described in RFC 2046, section 5.1; x-mixed-replace is Netscape's, and has no other document.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import simplejpeg
from msgspec import Meta

from kvmd import (
    Board,
    CaptureDriver,
    CaptureStatus,
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    DriverOptions,
    Frame,
    NoSignal,
    PixelFormat,
    Signal,
    hookimpl,
    jpeg_damage,
    load_boards,
)

from .multipart import NotMultipart, Pictures, boundary_of

CHUNK: Final = 1 << 20
"""Bytes that are read at once: more than waits usually, so that only the newest picture of what waited is shown."""


class NetcamOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Which camera, and how to ask it."""

    url: Annotated[
        str, Meta(description="The camera's MJPEG stream, such as `http://camera/video`; it has to be given.")
    ] = ""
    user: Annotated[str, Meta(description="Who logs in; empty: nobody has to.")] = ""
    password: Annotated[str, Meta(description="That user's password.")] = ""
    patience: Annotated[float, Meta(gt=0, le=5, description="Seconds without a picture that mean no signal.")] = 2.0


class Netcam(CaptureDriver):
    """A network camera that sends MJPEG over HTTP."""

    name = "netcam"
    Options = NetcamOptions

    def __init__(self, options: NetcamOptions, device: Device | None) -> None:  # noqa: ARG002  # it is in the options
        self._options = options
        self._host = urlsplit(options.url).hostname or "no address"
        self._answer: http.client.HTTPResponse | None = None
        self._pictures = Pictures(b"")
        self._signal: Signal | None = None
        self._sequence = self._dropped = 0

    def open(self) -> None:
        """Ask the camera for its stream."""
        if urlsplit(self._options.url).scheme not in {"http", "https"}:
            raise DriverError("no camera is named: set capture.options.url to the http:// address of its MJPEG stream")
        self._sequence = self._dropped = 0
        try:
            self._connect()
        except DeviceLost as error:
            raise DeviceAbsent(str(error)) from error

    def frames(self) -> Iterator[Frame]:
        """Yield the newest picture each time; after one that did not come, the camera is asked anew."""
        if self._answer is None:
            self._connect()
        while True:
            picture, (width, height) = self._next()
            self._signal = Signal(width, height, None, PixelFormat.MJPEG)
            yield Frame(picture, PixelFormat.MJPEG, width, height, 0, time.monotonic(), self._sequence)

    def status(self) -> CaptureStatus:
        """Name the camera, and what came last."""
        return CaptureStatus(f"network camera {self._host}", self._signal, self._dropped)

    def close(self) -> None:
        """Hang up."""
        answer, self._answer, self._signal = self._answer, None, None
        if answer:
            answer.close()

    def _connect(self) -> None:
        """Ask for the stream.

        :raises DeviceLost: the camera cannot be reached
        :raises DriverError: it can, and does not send one
        """
        try:
            self._answer = _opener(self._options).open(self._options.url, timeout=self._options.patience)
            self._pictures = Pictures(boundary_of(self._answer.headers.get("Content-Type", "")))
        except urllib.error.HTTPError as error:
            way_out = "; set capture.options.user and password" if error.code == http.client.UNAUTHORIZED else ""
            raise DriverError(f"the camera {self._host} answers {error.code} {error.reason}{way_out}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise DeviceLost(f"the camera {self._host} cannot be reached: {reason}") from error
        except (NotMultipart, ValueError) as error:
            self.close()
            raise DriverError(f"the camera {self._host}: {error}; capture.options.url names something else") from error

    def _next(self) -> tuple[bytes, tuple[int, int]]:
        """Wait for the next whole picture, and return the newest that is there then, with its size.

        :raises NoSignal: none came in time
        :raises DeviceLost: the camera hung up
        """
        until = time.monotonic() + self._options.patience
        while time.monotonic() < until:
            pictures = self._read()
            self._sequence += len(pictures)
            for picture in reversed(pictures):
                if size := size_of(picture):
                    return picture, size
                self._dropped += 1
        raise self._no_signal()

    def _read(self) -> list[bytes]:
        """Return the pictures that what comes next makes whole."""
        if self._answer is None:
            raise DeviceLost(f"the camera {self._host} is not open: the driver is closed")
        try:
            data = self._answer.read1(CHUNK)
            pictures = self._pictures.feed(data)
        except TimeoutError as error:
            raise self._no_signal() from error
        except NotMultipart as error:
            raise DriverError(f"the camera {self._host}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise DeviceLost(f"the camera {self._host} is gone: {error}") from error
        if not data:
            raise DeviceLost(f"the camera {self._host} ended its stream")
        return pictures

    def _no_signal(self) -> NoSignal:
        """Hang up, as half a picture may have come, and say so."""
        self.close()
        return NoSignal(f"the camera {self._host} sent no picture for {self._options.patience:g} s")


def size_of(picture: bytes) -> tuple[int, int] | None:
    """Return a JPEG's width and height; None if it is damaged."""
    if jpeg_damage(picture):
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(picture)
    except ValueError:
        return None
    return width, height


def _opener(options: NetcamOptions) -> urllib.request.OpenerDirector:
    """Return what asks the camera itself, not a proxy, and logs in where it is asked to."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if options.user:
        passwords.add_password(None, options.url, options.user, options.password)
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
    )


KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_drivers() -> Iterable[type[CaptureDriver]]:
    """Offer the driver."""
    return [Netcam]


@hookimpl
def kvmd_boards() -> list[Board]:
    """Offer the board."""
    return load_boards(Path(__file__).parent)
