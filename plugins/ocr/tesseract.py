"""Tesseract, the program (Debian: tesseract-ocr), in a process of its own: one at a time, and for so long only."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from kvmd import Busy, RequestError, Unavailable, Unsupported

DEADLINE = 30.0
"""Seconds for one picture; a Raspberry Pi 4 needs 2 to 5 for a whole screen."""
LISTING = 10.0
"""Seconds for the list of languages, and for which it is kept."""
MEMORY = 512 * 1024 * 1024
"""Bytes of its address space; 1080p takes 70 MB."""
LONGEST = 64 * 1024
"""Characters of text."""
WHOLE, BLOCK = "3", "6"
"""Its ``--psm``: look for the parts of a page; take it for one block of text, be it one line."""


class Tesseract:
    """Reads text; a service, too, which ends what reads.

    :param program: its name, or its path
    :param deadline: seconds for one picture
    :param memory: bytes that it may take
    """

    def __init__(self, program: str = "tesseract", deadline: float = DEADLINE, memory: int = MEMORY) -> None:
        self._program = program
        self._deadline = deadline
        self._memory = memory
        self._turn = threading.Lock()
        self._changing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._listed: tuple[float, list[str]] | None = None

    def start(self) -> None:
        """Begin."""
        self._stopped = False

    def stop(self) -> None:
        """End what reads, and read nothing any more."""
        with self._changing:
            self._stopped = True
            process = self._process
        if process:
            process.kill()

    def languages(self) -> list[str]:
        """Return the languages that are installed.

        :raises Unsupported: it is not installed, or none is
        :raises Unavailable: it does not say
        """
        program = self._find()
        if self._listed and time.monotonic() - self._listed[0] < LISTING:
            return self._listed[1]
        said = self._run([program, "--list-langs"], b"", LISTING)
        found = [name for name in said.split("\n")[1:] if name and name != "osd"]
        if not found:
            raise Unsupported("tesseract has no language; apt install tesseract-ocr-eng")
        self._listed = time.monotonic(), found
        return found

    def check(self, languages: str) -> None:
        """Refuse languages that are not installed.

        :param languages: joined by ``+``
        :raises RequestError: one is not
        """
        there = self.languages()
        for name in languages.split("+"):
            if name not in there:
                raise RequestError(
                    f'"{name}" is no language that is installed; there are: {", ".join(there)}; '
                    "for others: apt install tesseract-ocr-LANGUAGE, such as tesseract-ocr-deu"
                )

    def read(self, picture: bytes, languages: str, whole: bool) -> str:
        """Return the text on a picture, line by line.

        :param picture: in any format that Leptonica reads
        :param languages: joined by ``+``; they are installed
        :param whole: whether it may have several parts, such as windows, rather than one block of text
        :raises Busy: another one is being read
        :raises Unavailable: it fails, or takes too long
        """
        options = ["-l", languages, "--psm", WHOLE if whole else BLOCK, "-c", "preserve_interword_spaces=1"]
        text = self._run([self._find(), "stdin", "stdout", *options], picture, self._deadline)
        return text.strip("\f\n")[:LONGEST]

    def _find(self) -> str:
        found = shutil.which(self._program)
        if found is None:
            raise Unsupported("text cannot be read: tesseract is not installed; apt install tesseract-ocr")
        return found

    def _run(self, command: Sequence[str], given: bytes, deadline: float) -> str:
        """Run it to its end, one at a time, and return what it says."""
        if not self._turn.acquire(blocking=False):
            raise Busy("another picture is being read; try again in a moment", 1)
        try:
            process = self._begin(command)
            try:
                said, complaints = process.communicate(given, deadline)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise Unavailable(f"tesseract needs more than {deadline:g} s; mark a smaller region") from None
        finally:
            self._process = None
            self._turn.release()
        if process.returncode:
            last = complaints.decode(errors="replace").strip().rpartition("\n")[2]
            raise Unavailable(f"tesseract failed ({process.returncode}): {last[:200]}")
        return said.decode(errors="replace")

    def _begin(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start it; it waits for its picture until its bounds are set."""
        pipe = subprocess.PIPE
        given = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX") if name in os.environ}
        environment = {**given, "LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"}  # more threads make it no faster
        with self._changing:
            if self._stopped:
                raise Unavailable("the daemon is stopping")
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)  # noqa: S603  # a list of our own
            self._process = process
        # kvmd.service's SystemCallFilter allows all of these but the second, which is then left out.
        with contextlib.suppress(OSError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (self._memory, self._memory))
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        with contextlib.suppress(OSError):  # where memory runs out, this goes first (proc(5))
            Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
        return process
