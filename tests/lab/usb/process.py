"""The process with a guest's USB devices, as the lab has it.

They are in a process of their own since a driver in the guest gives an answer a second, and a thread beside busy tests
may come to its turn later than that. Seen: "ch341-uart ttyUSB0: probe with driver ch341-uart failed with error -110".
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.lab.errors import GuestLost
from tests.waiting import patience

CHECKOUT = Path(__file__).parents[3]


class Devices:
    """Two USB ports of a guest, in a process that ends with this one.

    :param folder: where the sockets are made
    :param failed: told by a thread why the process has ended, where that is a mistake of ours
    """

    def __init__(self, folder: Path, failed: Callable[[str], None]) -> None:
        self._folder = folder
        self._failed = failed
        self._process: subprocess.Popen[str] | None = None
        self._watch = threading.Thread(target=self._wait, name="usb-devices", daemon=True)

    def start(self) -> None:
        """Have the sockets listened on.

        :raise GuestLost: the process ends
        """
        command = [sys.executable, "-m", "tests.lab.usb", str(self._folder)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,  # Ctrl+C is for pytest, which then ends this one
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise GuestLost(f"the guest's USB devices do not start: {self._process.communicate()[1]}")
        self._watch.start()

    def stop(self) -> None:
        """End the process, started or not; after QEMU's end, which a send could wait for."""
        if self._process is None:
            return
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            if self._watch.is_alive():
                self._watch.join(patience())
            process.kill()

    def _wait(self) -> None:
        """Pass on what the process says at its end."""
        assert self._process is not None
        assert self._process.stderr is not None
        words = self._process.stderr.read()
        if self._process.wait():
            self._failed(words)
