"""The running guest: a QEMU process, its console, and the messages that go in and out."""

import contextlib
import json
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.waiting import Deadline, patience

from .errors import GuestLost
from .qemu import Launch, Places
from .usb import arguments
from .usb.process import Devices

# how many lines of the console a failure shows
TAIL = 60
# seconds between two looks at the deadline
PAUSE = 1.0
# terminal control sequences: CSI, OSC, and the two-character kind
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*\x07?|\x1b.|\r")

Message = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """When a guest is given up, in seconds without a sign of life, on an idle machine of the usual speed."""

    boot: float = 600.0
    silence: float = 120.0


class Machine:
    """One boot of the guest.

    :param launch: gives the command
    :param share: the folder with the checkout, which the guest reads
    :param logs: the folder for the console and the journal
    """

    def __init__(self, launch: Launch, share: Path, logs: Path, limits: Limits) -> None:
        self._launch = launch
        self._limits = limits
        self._work = Path(tempfile.mkdtemp(prefix="kvmd-lab-"))
        self._failure = ""
        self._usb = Devices(self._work, self._fail)
        self._places = Places(self._work / "port", share, logs, arguments(self._work))
        self._process: subprocess.Popen[bytes] | None = None
        self._port: socket.socket | None = None
        self._reader: threading.Thread | None = None
        # None once the guest has ended
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        self._deadline = Deadline(limits.boot)
        self._started = time.monotonic()
        self.boot = 0.0
        """How long it took from the start to the first sign of life, in seconds."""

    def start(self) -> None:
        """Boot; does not wait for it.

        :raise GuestLost: QEMU does not start
        """
        shutil.rmtree(self._places.logs, ignore_errors=True)
        self._places.logs.mkdir(parents=True)
        self._usb.start()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._places.port))
            listener.listen()
            with (self._places.logs / "qemu.log").open("wb") as output:
                command = self._launch(self._places)
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            self._port = self._accept(listener, self._process)
        # a guest that has to wait until it is listened to would not go on with its tests
        self._reader = threading.Thread(target=self._read, args=(self._port,), name=f"reader {self._places.logs.name}")
        self._reader.start()

    def run(self, nodeids: Sequence[str]) -> None:
        """Have these tests run, in this order.

        :raise GuestLost: the guest has ended
        """
        assert self._port is not None
        try:
            self._port.sendall(json.dumps({"run": list(nodeids)}).encode() + b"\n")
        except OSError as error:
            raise self._error("the guest has ended") from error

    def receive(self) -> Message:
        """The next message.

        :raise GuestLost: the guest has ended or shows no sign of life any more; with the end of its console
        """
        while True:
            try:
                message = self._messages.get(timeout=PAUSE)
            except Empty:
                if self._deadline.passed():
                    raise self._error(f"the guest has shown no sign of life for {self._deadline}") from None
                continue
            if message is None:
                self._await_end()
                raise self._error(self._failure or "the guest has ended")
            if message["kind"] == "stuck":
                raise self._error(f"the test hangs, after {message['after']}:\n{message['stacks']}")
            return message

    def kill(self) -> None:
        """End the guest, from any thread; whoever waits for a message hears of it."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the guest and clear away; its logs stay."""
        self.kill()
        if self._process is not None:
            self._process.wait()
        if self._reader is not None:
            self._reader.join()
        if self._port is not None:
            self._port.close()
        self._usb.stop()
        shutil.rmtree(self._work, ignore_errors=True)

    def _fail(self, reason: str) -> None:
        """End a guest whose USB devices are lost, from the thread that watches them."""
        self._failure = f"the guest's USB devices are lost: {reason}"
        self.kill()

    def _error(self, text: str) -> GuestLost:
        """An error that shows the end of the console, and QEMU's own words if there are any."""
        logs = [self._places.console, self._places.logs / "qemu.log"]
        content = "\n".join(path.read_text(errors="replace") for path in logs if path.exists())
        lines = [line for line in CONTROL.sub("", content).splitlines() if line.strip()]
        end = "\n".join(lines[-TAIL:])
        return GuestLost(f"{text}\n\n---- end of {self._places.console} ----\n{end}")

    def _await_end(self) -> None:
        """Let QEMU write its last words."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience())

    def _accept(self, listener: socket.socket, process: subprocess.Popen[bytes]) -> socket.socket:
        """Wait for QEMU, which connects before it boots; it may have ended since."""
        is_over = False
        while not is_over:
            is_over = process.poll() is not None or self._deadline.passed()
            if select.select([listener], [], [], 0.1)[0]:
                return listener.accept()[0]
        raise self._error("QEMU did not start")

    def _read(self, port: socket.socket) -> None:
        """Take messages until the guest ends, be it in the middle of one."""
        with contextlib.suppress(ConnectionError), port.makefile("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self.boot = self.boot or time.monotonic() - self._started
                self._deadline = Deadline(self._limits.silence)
                message = json.loads(line)
                if message["kind"] != "alive":
                    self._messages.put(message)
        self._messages.put(None)
