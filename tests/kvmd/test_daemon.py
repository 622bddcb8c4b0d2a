"""The daemon as a process: it always ends, whatever moment the signal comes at and whatever has run out."""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from kvmd.access.credentials import Credentials
from kvmd.system.ending import EXIT_HUNG
from tests.kvmd.access.test_clock import LIBRARY
from tests.ports import free_ports
from tests.process import NAME, Served, served
from tests.waiting import eventually, patience

SIGNALS = int(os.environ.get("KVMD_SIGNALS", "12"))
"""SIGTERMs at random moments; 100 in the long run."""

KILLS = int(os.environ.get("KVMD_KILLS", "6"))
"""Times that the daemon is killed while somebody types; 90 in the long run."""

AT_ONCE = 4
"""Daemons that run beside each other."""


def all_at_once(work: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(work, range(count)):
            pass


class TestSignals:
    def test_sigterm_at_any_moment_ends_it_and_leaves_nothing(self, tmp_path: Path) -> None:
        moments = random.Random(20261127)
        begin = time.monotonic()
        with served(tmp_path) as daemon:
            daemon.wait("READY=1")
            start = time.monotonic() - begin
            assert daemon.end() == 0
        waits = [moments.uniform(0, 1.3 * start) for _ in range(SIGNALS)]

        def end(number: int) -> None:
            folder = tmp_path / str(number)
            folder.mkdir()
            with served(folder) as daemon:
                time.sleep(waits[number])
                code = daemon.end()
                # Before the daemon heeds signals, Python ends at once.
                assert code in ({0, -signal.SIGTERM} if "READY=1" not in daemon.heard else {0}), daemon.log
                assert "Traceback" not in daemon.log
                assert_whole(daemon)

        all_at_once(end, SIGNALS)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_changes_nothing(self, tmp_path: Path, number: signal.Signals) -> None:
        with served(tmp_path) as daemon:
            daemon.wait("READY=1")
            daemon.process.send_signal(number)
            assert daemon.end(number) == 0
            assert daemon.heard[-1] == "STOPPING=1"
            assert "Traceback" not in daemon.log

    def test_sigkill_while_somebody_types_leaves_everything_whole(self, tmp_path: Path) -> None:
        moments = random.Random(20261128)

        def kill(number: int) -> None:
            folder = tmp_path / str(number)
            folder.mkdir()
            key = ""
            for _ in range(2):  # the second one finds what the first one left
                with served(folder, key=key) as daemon:
                    key = daemon.key
                    daemon.wait("READY=1")
                    eventually(lambda: type_once(daemon), "a first key")
                    typist = threading.Thread(target=type_on, args=(daemon,))
                    typist.start()
                    time.sleep(moments.uniform(0, 0.5))
                    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
                    typist.join()
                    assert "Traceback" not in daemon.log
                    assert_whole(daemon)

        all_at_once(kill, KILLS // 2)

    def test_a_signal_that_does_not_interrupt_the_wait_ends_it(self) -> None:
        """As one that comes just before the wait; here it comes to another thread, which does the same each time."""
        command = [sys.executable, "-c", DEMO, *map(str, free_ports(3))]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=False)
        assert ran.returncode == 0, ran.stderr


DEMO = """
import signal, sys, threading, time
from kvmd import daemon
from kvmd.cli.main import main

serve, waits = daemon._serve, threading.Event()

def announce(*arguments):
    waits.set()
    serve(*arguments)

def end():
    waits.wait()
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

daemon._serve = announce
threading.Thread(target=end, daemon=True).start()
sys.argv = ["kvmd", "demo", "--port", sys.argv[1], "--video-port", sys.argv[2], "--tls-port", sys.argv[3]]
main()
"""


def type_once(daemon: Served) -> bool:
    return daemon.ask("POST", "/keyboard", {"keycodes": ["KeyA"]})[0] == 200


def type_on(daemon: Served) -> None:
    with suppress(OSError, http.client.HTTPException):
        while True:
            type_once(daemon)


def assert_whole(daemon: Served) -> None:
    """Look at what the daemon keeps: it can be read, and nothing else is there."""
    assert {file.name for file in daemon.folder.iterdir() if file.is_file()} == {"auth.json", "kvmd.toml", "log"}
    assert Credentials(daemon.folder / "auth.json").key_name(daemon.key) == "test"


NO_MORE_THREADS = """
import threading
from kvmd import hookimpl

really_start, left = threading.Thread.start, [{count}]

def start(thread):
    left[0] -= 1
    if left[0] < 0:
        raise RuntimeError("can't start new thread")
    really_start(thread)

@hookimpl
def kvmd_services(kvm):
    threading.Thread.start = start
    return []
"""

NO_MORE_FILES = """
import os
from kvmd import hookimpl

class Hog:
    def start(self):
        try:
            while True:
                os.open("/dev/null", os.O_RDONLY)
        except OSError:
            pass
    def stop(self):
        pass

@hookimpl
def kvmd_services(kvm):
    return [Hog()]
"""


class TestWantOf:
    def test_threads(self, tmp_path: Path) -> None:
        """Whichever thread is the first one that cannot be started, the process ends, be it by itself."""

        def starve(number: int) -> None:
            folder = tmp_path / str(number)
            folder.mkdir()
            with served(folder, plugin=NO_MORE_THREADS.format(count=6 * number)) as daemon:
                eventually(lambda: "READY=1" in daemon.heard or not daemon.stays, "its start, or its end")
                code = daemon.end() if daemon.stays else daemon.process.returncode
                assert code in (0, 1, EXIT_HUNG), daemon.log
                assert (code == 0) <= ("READY=1" in daemon.heard), "it says so where it could not start"

        all_at_once(starve, 8)

    def test_memory(self, tmp_path: Path) -> None:
        """Where there is room for some threads alone, it ends, or serves.

        The kernel ends what has no room for its stack to grow with SIGSEGV (getrlimit(2), RLIMIT_AS).
        """
        ends = (0, 1, 3, EXIT_HUNG, -signal.SIGABRT, -signal.SIGALRM, -signal.SIGSEGV)

        def starve(number: int) -> None:
            folder = tmp_path / str(number)
            folder.mkdir()
            limit = (600 + 150 * number) << 20
            with served(folder, before=["prlimit", f"--as={limit}"]) as daemon:
                eventually(lambda: "READY=1" in daemon.heard or not daemon.stays, "its start, or its end")
                if daemon.stays:
                    assert daemon.end() in (0, EXIT_HUNG), daemon.log
                assert daemon.process.returncode in ends, daemon.log

        all_at_once(starve, 4)

    def test_memory_for_a_threads_first_steps(self, tmp_path: Path) -> None:
        """Python waits for such a thread for ever; the kernel ends the process."""
        (tmp_path / "sitecustomize.py").write_text(DEAD_THREAD)
        with served(tmp_path, environment={"PYTHONPATH": str(tmp_path)}) as daemon:
            eventually(lambda: not daemon.stays, "its end")
            assert daemon.process.returncode == -signal.SIGALRM, daemon.log

    def test_descriptors(self, tmp_path: Path) -> None:
        with served(tmp_path, plugin=NO_MORE_FILES, before=["prlimit", "--nofile=128"], watchdog=120) as daemon:
            count = daemon.wait("READY=1")
            eventually(lambda: daemon.fed_after(count), "the watchdog being fed")
            assert daemon.end() == 0, daemon.log
            assert daemon.heard[-1] == "STOPPING=1"


DEAD_THREAD = """
import threading
from kvmd.system import starting

starting.SECONDS = 2
threading.Thread._bootstrap = lambda thread: None
"""
"""What a thread does that has no memory: it ends before it has said that it began."""

SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""
"""libfaketime 0.9.10 has Python's own sleep fail with EINVAL: clock_nanosleep() with TIMER_ABSTIME."""


class TestClock:
    @pytest.mark.parametrize("jump", ["-1d", "+365d"])
    def test_a_wall_clock_that_jumps_ends_no_session_and_holds_up_nothing(self, tmp_path: Path, jump: str) -> None:
        now = tmp_path / "time"
        now.mkdir()
        (now / "offset").write_text("+0")
        (now / "sitecustomize.py").write_text(SLEEP)
        environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(now / "offset"),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(now),
        }
        with served(tmp_path, environment=environment, watchdog=60) as daemon:
            daemon.wait("READY=1")
            eventually(lambda: type_once(daemon), "the keyboard")
            session = daemon.login()
            assert seen(daemon, session) == 200
            (now / "offset").write_text(jump)
            count = len(daemon.heard)
            eventually(lambda: daemon.fed_after(count), "the watchdog being fed")
            assert seen(daemon, session) == 200
            assert type_once(daemon)
            code, _ = daemon.ask("GET", "/snapshot?timeout=60", port=1)
            assert (code, daemon.status()["hung"]) == (200, [])
            assert daemon.end() == 0
            assert "Traceback" not in daemon.log


def seen(daemon: Served, session: str) -> int:
    return daemon.ask("GET", "/api/status", Authorization=f"Bearer {session}")[0]


HANGING_PAGES = f"""
import threading
from flask import Blueprint
from kvmd import hookimpl

@hookimpl
def kvmd_blueprints(kvm):
    blueprint = Blueprint("{NAME}", __name__)

    @blueprint.get("/api/{NAME}")
    def hang():
        threading.Event().wait()

    return [blueprint]
"""


def test_a_web_server_that_answers_nobody_is_told(tmp_path: Path) -> None:
    """Everybody who would answer those who are logged in hangs; strangers are answered still."""
    with served(tmp_path, plugin=HANGING_PAGES, watchdog=6) as daemon:
        daemon.wait("READY=1")
        askers = [threading.Thread(target=type_on_page, args=(daemon,), daemon=True) for _ in range(64)]
        for asker in askers:
            asker.start()
        count = daemon.wait("STATUS=web requests of those who are logged in hangs: no thread is free")
        time.sleep(3)  # as long as it would be fed three times
        assert not daemon.fed_after(count)
        assert daemon.ask("GET", "/api/status", Authorization="Bearer wrong")[0] == 401
        assert daemon.end() == EXIT_HUNG
    for asker in askers:
        asker.join()


def type_on_page(daemon: Served) -> None:
    with suppress(OSError, http.client.HTTPException):
        daemon.ask("GET", f"/api/{NAME}")
