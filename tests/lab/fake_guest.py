"""Stands for QEMU with a guest in it: a process that talks as tests/lab/guest/agent.py does. A test's name says how it
goes, and so does the boot's.

    python fake_guest.py PORT BOOT SECONDS
"""

import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PULSE = 0.1


class Guest:
    """What answers at the port.

    :param slow: seconds that a slow test takes
    """

    def __init__(self, port: socket.socket, slow: float) -> None:
        self._port = port
        self._slow = slow
        self._tests: dict[str, Callable[[], None]] = {
            "passes": lambda: None,
            "is_slow": self._live_on,
            "panics": lambda: sys.exit("Kernel panic - not syncing"),
            "ends_in_a_message": self._end_in_a_message,
            "falls_silent": lambda: time.sleep(3600),
            "hangs": self._hang,
            "breaks_the_usb_devices": self._break_usb,
        }

    def run(self) -> None:
        """Say that it has booted, and run what it is told to."""
        self._send("hello", release="6.12-fake")
        with self._port.makefile("rb") as lines:
            for line in lines:
                for nodeid in json.loads(line)["run"]:
                    self._run_one(nodeid)

    def _run_one(self, nodeid: str) -> None:
        if nodeid.endswith("missing"):
            self._send("missing", nodeid=nodeid, text="it is not there")
            return
        self._send("start", nodeid=nodeid)
        self._tests[nodeid.rpartition("::test_")[2].partition("[")[0]]()
        self._send("report", report={"nodeid": nodeid, "pid": os.getpid()})
        self._send("end", nodeid=nodeid)

    def _live_on(self) -> None:
        for _ in itertools.repeat(None, round(self._slow / PULSE)):
            time.sleep(PULSE)
            self._send("alive")

    def _hang(self) -> None:
        self._send("stuck", after="600 s", stacks="Thread 1: line 7 in acquire")
        time.sleep(3600)

    def _end_in_a_message(self) -> None:
        self._port.sendall(b'{"kind": "ali')
        sys.exit("Kernel panic - not syncing")

    def _break_usb(self) -> None:
        with socket.socket(socket.AF_UNIX) as usb:
            usb.connect(str(Path(self._port.getpeername()).parent / "usb-control"))
            usb.sendall(b"[" * 100_000 + b"\n")  # deeper than Python nests
            time.sleep(3600)

    def _send(self, kind: str, **rest: Any) -> None:
        self._port.sendall(json.dumps({"kind": kind, **rest}).encode() + b"\n")


if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(sys.argv[1])
        if sys.argv[2] == "panics":
            sys.exit("Kernel panic - not syncing: at the boot")
        Guest(line, float(sys.argv[3])).run()
