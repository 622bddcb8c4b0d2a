"""``kvmd type``: the real command, which asks a real daemon by its private socket."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd.cli import daemon, typing
from kvmd.contract.settings import Settings
from kvmd.errors import KvmdError
from tests.conftest import Daemon
from tests.kvmd.cli.test_main import KVMD
from tests.waiting import eventually, patience

LONG = "abcdefghij" * 500


@pytest.fixture(scope="module")
def served(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    with make_daemon().running() as daemon:
        eventually(lambda: daemon.kvm.input.slot.is_online, "the host")
        yield daemon


@pytest.fixture(scope="module")
def config(served: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("type") / "kvmd.toml"
    path.write_text(f'[auth]\nfile = "{served.kvm.settings.auth.file}"\n')
    return path


def kvmd(config: Path, *args: str, stdin: str = "") -> tuple[int, str]:
    command = [*KVMD, "type", *args, "--config", str(config)]
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=patience(), check=False)
    assert "Traceback" not in ran.stderr
    return ran.returncode, (ran.stdout + ran.stderr).strip()


def report(served: Daemon) -> Any:
    return served.get("/api/text").data


def shown(served: Daemon, text: str) -> bool:
    return any(line.text.rstrip().endswith(text) for line in served.computer.state().lines)


def test_a_text_of_the_command_line_and_of_standard_input(served: Daemon, config: Path) -> None:
    assert kvmd(config, "Hello, world") == (0, "12 of 12 characters were typed")
    assert shown(served, "Hello, world")
    assert kvmd(config, "-", "--delay", "0", stdin="\n# from a pipe") == (0, "14 of 14 characters were typed")
    assert kvmd(config, stdin=", again") == (0, "7 of 7 characters were typed")
    assert shown(served, "# from a pipe, again")


def test_a_layout_is_named(served: Daemon, config: Path) -> None:
    assert kvmd(config, "\nz", "--layout", "de")[0] == 0
    assert shown(served, "y")
    code, said = kvmd(config, "z", "--layout", "klingon")
    assert (code, said.startswith('kvmd: there is no layout "klingon"')) == (1, True)
    code, said = kvmd(config, "5 €")
    assert (code, "€ (U+20AC EURO SIGN)" in said) == (1, True)


def test_the_layouts_are_listed(config: Path) -> None:
    code, said = kvmd(config, "--layouts")
    assert code == 0
    assert "de(nodeadkeys)           German (no dead keys)" in said.splitlines()


def test_ctrl_c_cancels(served: Daemon, config: Path) -> None:
    # whoever started the tests may have them ignore SIGINT, as a shell does with what it runs in the background
    command = ["env", "--default-signal=INT", *KVMD, "type", LONG, "--delay", "20", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        eventually(lambda: report(served)["state"] == "typing" and report(served)["typed"] > 3, "some of it")
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=patience())
    assert (running.returncode, out) == (1, "")
    assert said.strip().endswith("of 5000 characters were typed: root cancelled it")
    assert report(served)["state"] == "cancelled"


def test_ctrl_c_cancels_what_is_still_on_its_way(served: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()

    def ask(settings: Settings, method: str, *args: Any, **options: Any) -> Any:
        if method == "GET":
            raise KeyboardInterrupt
        if method == "POST":
            assert cancelled.wait(patience())
        try:
            return daemon.ask(settings, method, *args, **options)
        finally:
            cancelled.set()

    monkeypatch.setattr(typing, "ask", ask)
    with pytest.raises(KvmdError, match=r"of 5000 characters were typed: root cancelled it"):
        typing._Typing(served.kvm.settings, {"text": LONG, "delay": 20}).wait()


def test_a_command_that_is_killed_types_no_more(served: Daemon, config: Path) -> None:
    command = [*KVMD, "type", LONG, "--delay", "20", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        eventually(lambda: report(served)["state"] == "typing" and report(served)["typed"] > 3, "some of it")
        running.kill()
    eventually(lambda: report(served)["state"] == "cancelled", "the end")
    assert report(served)["reason"].endswith("whoever asked for it has gone")


def test_on_a_terminal_it_shows_how_far_it_is(served: Daemon, config: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*KVMD, "type", "a" * 200, "--delay", "20", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        seen = b""
        while b"of 200 characters" not in seen:
            seen += os.read(ours, 1000)
        assert running.wait(patience()) == 0
    os.close(ours)
    assert report(served)["state"] == "done"
