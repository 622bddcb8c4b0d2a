"""picamera2 as a library that may be missing or broken, talks a lot, and says little when it fails."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from kvmd import DeviceLost, DriverError

logger = logging.getLogger(__name__)


def problem() -> str | None:
    """Say what is not installed, and how that is mended; None if all is."""
    missing = [name for name in ("picamera2", "libcamera") if find_spec(name) is None]
    return f"{' and '.join(missing)} cannot be found; {_way_out()}" if missing else None


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Turn what is raised while picamera2 is imported into words, and keep it quiet from then on."""
    _quieten()
    try:
        yield
    except Exception as error:  # what is broken in there could raise anything
        raise DriverError(f"picamera2 cannot be used: {type(error).__name__}: {error}; {_way_out()}") from error


@contextlib.contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Turn what is raised when a camera is opened into words."""
    try:
        yield
    except DriverError:
        raise
    except PermissionError as error:
        raise DriverError(
            f"{name}: kvmd may not open {error.filename}; let group video do so, as docs/picamera2.md shows"
        ) from error
    except Exception as error:  # RuntimeError for the most, KeyError, AttributeError and others when it stumbles
        reason = reason_of(error)
        if "Device or resource busy" in reason:
            reason = "is in use by another program; `fuser -v /dev/media* /dev/video*` shows which"
        raise DriverError(f"{name}: {reason}") from error


@contextlib.contextmanager
def losses_of(name: str, is_present: Callable[[], bool], timeout: float) -> Iterator[None]:
    """Turn what is raised while a camera runs into its loss; an unplug shows only in that no more pictures come.

    :param is_present: tells whether the camera is plugged in still
    :param timeout: seconds that were waited for a picture
    """
    try:
        yield
    except TimeoutError as error:
        if not is_present():
            raise DeviceLost(f"{name} is gone; plug it in again") from error
        raise DeviceLost(f"{name} sent no picture for {timeout:g} s; it is opened anew") from error
    except Exception as error:  # as above, and whatever a callback raises
        raise DeviceLost(f"{name} failed: {reason_of(error)}; plug it in again if it does not come back") from error


def reason_of(error: BaseException) -> str:
    """Return the first cause in words: what picamera2 says above it is of no help."""
    while error.__cause__:
        error = error.__cause__
    return str(error) or type(error).__name__


def _way_out() -> str:
    return (
        "`apt install python3-picamera2 --no-install-recommends` on Raspberry Pi OS, elsewhere "
        f"`apt install python3-libcamera` and `{sys.executable} -m pip install 'kvmd-hal[picamera2]'`"
    )


class _Hush(logging.Handler):
    """Hands on what picamera2 logs, for those who look for trouble; what matters is raised as well."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it as our own."""
        logger.debug("%s", record.getMessage())


def _quieten() -> None:
    """Keep the libraries off stderr, where their own variables do not ask for more."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    warnings.filterwarnings("ignore", module=r"picamera2(\.|$)")
    theirs = logging.getLogger("picamera2")
    theirs.propagate = False
    theirs.handlers = [_Hush()]
