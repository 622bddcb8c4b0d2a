"""Where guests are made: image and package are built once, when the first one is wanted."""

import shutil
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from . import image, payload, qemu
from .errors import LabError
from .locking import Say, locked
from .machine import Limits, Machine


class Workshop:
    """Makes guests for a checkout; used by several threads.

    :param checkout: its root; logs of the guests go to its folder build/
    :param arguments: what the pytest in the guests is told
    :param say: told about the progress, in any thread
    """

    def __init__(self, checkout: Path, arguments: Sequence[str], say: Say) -> None:
        self._checkout = checkout
        self._arguments = arguments
        self._say = say
        self._build = checkout / "build"
        self._share: Path | None = None
        self._image: image.Image | None = None
        self._failure: LabError | None = None
        self._lock = threading.Lock()
        self._kept = ExitStack()

    def boot(self, name: str) -> Machine:
        """Make a guest, not yet started.

        :param name: of the folder for its logs
        :raise LabError: image or package cannot be built
        """
        with self._lock:
            built, share = self._prepared()
        self._say(f"booting {name}")
        return Machine(qemu.launching(built), share, self._build / name, Limits())

    def close(self) -> None:
        """Clear away what was made for the guests, after they have ended."""
        self._kept.close()

    def _prepared(self) -> tuple[image.Image, Path]:
        if self._failure is not None:
            raise self._failure
        if self._image is None or self._share is None:
            try:
                self._prepare()
            except LabError as error:
                self._failure = error
                raise
            return self._prepared()
        return self._image, self._share

    def _prepare(self) -> None:
        self._kept.enter_context(locked(self._build / "kernel.lock", self._say, "another run of the kernel tests"))
        for old in self._build.glob("kernel-*"):
            shutil.rmtree(old)
        self._image = image.cached(self._checkout, self._say)
        share = self._kept.enter_context(tempfile.TemporaryDirectory(prefix="kvmd-lab-share-"))
        payload.write(Path(share), self._checkout, self._arguments)
        self._share = Path(share)
