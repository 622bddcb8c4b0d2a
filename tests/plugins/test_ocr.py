"""The text on the screen, read back with the real Tesseract: what was typed into the virtual computer's console."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kvmd import Busy, RequestError, Unavailable, Unsupported
from kvmd.access.grant import UserRole
from kvmd_plugins import ocr
from kvmd_plugins.ocr.picture import LEAST, MOST, Region, cut
from kvmd_plugins.ocr.tesseract import Tesseract
from tests.conftest import Answer, Daemon
from tests.process import served
from tests.waiting import eventually, patience

PATH = "/etc/fstab 1234567890"
KEYS = {" ": "Space", "/": "Slash"}


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """Let Tesseract take as long as this machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ocr.TESSERACT, "_deadline", patience())
        yield


def key_of(letter: str) -> str:
    return KEYS.get(letter) or (f"Digit{letter}" if letter.isdigit() else f"Key{letter.upper()}")


def read(daemon: Daemon, **members: Any) -> Answer:
    return daemon.post("/api/ocr", members)


def text(daemon: Daemon, **members: Any) -> str:
    return str(read(daemon, **members).data["text"])


@pytest.fixture(scope="module")
def typed(daemon: Daemon) -> Daemon:
    """A console on which something was typed."""
    eventually(lambda: daemon.kvm.video.slot.is_online and daemon.kvm.input.slot.is_online, "both being online")
    eventually(lambda: "nothing else" in daemon.computer.state().lines[1].text, "the console")
    for letter in PATH:
        assert daemon.post("/keyboard", {"keycodes": [key_of(letter)]}).code == 200
    daemon.post("/keyboard", {"keycodes": ["Enter"]})
    return daemon


def test_what_was_typed_is_read_back(typed: Daemon) -> None:
    said = text(typed)
    assert "kvmd-hal virtual computer" in said
    assert PATH in said
    assert said.index("virtual computer") < said.index(PATH)


def test_a_region_is_read_alone(typed: Daemon) -> None:
    """The console's third line, of those that are about 22 pixels high."""
    row = next(number for number, line in enumerate(typed.computer.state().lines) if PATH in line.text)
    height = 1 / 30
    said = text(typed, left=0, top=max(0, row * height - height / 2), width=0.6, height=2 * height)
    assert PATH in said
    assert "It shows" not in said


def test_a_viewer_may_read(typed: Daemon) -> None:
    key = typed.kvm.auth.credentials.add_key("reader", UserRole.VIEWER)
    answer = typed.post("/api/ocr", {"languages": "eng"}, token=key)
    assert answer.code == 200


def test_what_can_be_read_is_told(daemon: Daemon) -> None:
    told = daemon.get("/api/ocr").data
    assert (told["available"], told["reason"]) == (True, None)
    assert "eng" in told["languages"]
    assert "osd" not in told["languages"]


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"languages": "xxx"}, "tesseract-ocr-LANGUAGE"),
        ({"languages": "eng+xxx"}, '"xxx" is no language'),
        ({"languages": ""}, "no language"),
        ({"languages": "--help"}, "no language"),
        ({"languages": "../../etc/passwd"}, "no language"),
        ({"left": 1}, "left"),
        ({"width": 0}, "width"),
        ({"top": -0.1}, "top"),
        ({"left": 0.999, "width": 0.001}, f"smaller than {LEAST} pixels"),
        ({"region": 1}, "region"),
    ],
)
def test_what_makes_no_sense_is_refused(daemon: Daemon, members: dict[str, Any], word: str) -> None:
    answer = read(daemon, **members)
    assert answer.code == 400
    assert word in answer.json["info"]


def test_where_it_is_not_installed_the_way_out_is_told(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = "text cannot be read: tesseract is not installed; apt install tesseract-ocr"
    assert daemon.get("/api/ocr").data == {"available": False, "languages": [], "reason": reason}
    answer = read(daemon)
    assert (answer.code, answer.json["info"]) == (409, reason)


def test_without_a_picture_it_says_so(typed: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "PATIENCE", 0.1)
    typed.computer.plug_video(False)
    try:
        eventually(lambda: not typed.kvm.video.slot.is_online, "the loss")
        answer = read(typed)
        assert (answer.code, answer.json["info"]) == (503, "there is no picture to read; the status says why")
    finally:
        typed.computer.plug_video(True)
        eventually(lambda: typed.kvm.video.slot.is_online, "the picture")


Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Make a program that lists its languages as Tesseract does, and then does something else."""

    def make(does: str) -> str:
        path = tmp_path / "tesseract"
        path.write_text(
            f'#!/bin/sh\nif [ "$1" = --list-langs ]; then printf "List:\\neng\\nosd\\n"; exit; fi\n{does}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def test_one_that_does_not_end_is_ended(program: Program, tmp_path: Path) -> None:
    slow = Tesseract(program(f"echo $$ > {tmp_path}/pid; exec sleep 100000"), deadline=1)
    with pytest.raises(Unavailable, match="more than 1 s; mark a smaller region"):
        slow.read(b"", "eng", whole=True)
    with contextlib.suppress(FileNotFoundError):  # it was ended before it had said who it is
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
    assert slow.languages() == ["eng"]


def test_one_at_a_time_and_the_daemon_s_end_ends_it(program: Program, tmp_path: Path) -> None:
    slow = Tesseract(program(f"touch {tmp_path}/began; exec sleep 100000"))
    slow.languages()
    raised: list[Exception] = []

    def read_on() -> None:
        try:
            slow.read(b"", "eng", whole=True)
        except Unavailable as error:
            raised.append(error)

    reading = threading.Thread(target=read_on)
    reading.start()
    eventually((tmp_path / "began").exists, "the first one")
    with pytest.raises(Busy, match="another picture is being read"):
        slow.read(b"", "eng", whole=True)
    slow.stop()
    reading.join(patience())
    assert not reading.is_alive()
    assert "tesseract failed (-9)" in str(raised[0])
    with pytest.raises(Unavailable, match="the daemon is stopping"):
        slow.read(b"", "eng", whole=True)


def test_it_has_bounds_and_gives_way(program: Program) -> None:
    bounded = Tesseract(program("cat > /dev/null; ulimit -v; nice; cat /proc/$$/oom_score_adj; echo $OMP_THREAD_LIMIT"))
    said = bounded.read(b"a picture", "eng", whole=True)
    assert said.split("\n") == [str(512 * 1024), "19", "1000", "1"]


def test_it_knows_nothing_of_the_daemon_s_environment(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@secret")
    assert "NOTIFY_SOCKET" not in Tesseract(program("cat > /dev/null; env")).read(b"", "eng", whole=True)


def test_what_takes_too_much_memory_fails_alone() -> None:
    small = Tesseract(memory=1024 * 1024, deadline=patience())
    with pytest.raises(Unavailable, match="tesseract failed"):
        small.read(cut(jpeg(Image.new("L", (800, 600))), Region()), "eng", whole=True)


def test_one_that_fails_says_why(program: Program) -> None:
    with pytest.raises(Unavailable, match=r"tesseract failed \(3\): the last line"):
        Tesseract(program("echo much; echo the last line >&2; exit 3")).read(b"", "eng", whole=True)


def test_without_a_language_it_says_which_package_has_one(tmp_path: Path) -> None:
    path = tmp_path / "tesseract"
    path.write_text("#!/bin/sh\necho 'List (0):'\n")
    path.chmod(0o700)
    with pytest.raises(Unsupported, match="apt install tesseract-ocr-eng"):
        Tesseract(str(path)).check("eng")


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    return out.getvalue()


def made(region: Region, picture: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(cut(jpeg(picture), region)))


def test_letters_become_dark_on_a_light_ground_and_twice_as_large() -> None:
    dark = Image.new("RGB", (100, 50), "black")
    ready = made(Region(), dark)
    assert (ready.size, ready.mode) == ((200, 100), "L")
    assert ready.getpixel((50, 50)) == 255
    assert made(Region(), Image.new("RGB", (100, 50), "white")).getpixel((50, 50)) == 255


def test_a_region_is_cut_to_the_pixel() -> None:
    picture = Image.new("RGB", (100, 50), "white")
    picture.paste("black", (25, 10, 75, 30))
    assert Region(0.25, 0.2, 0.5, 0.4).box(100, 50) == (25, 10, 75, 30)
    assert Region(0.9, 0.5, 0.5, 0.9).box(100, 50) == (90, 25, 100, 50)
    assert made(Region(0.25, 0.2, 0.5, 0.4), picture).size == (100, 40)
    with pytest.raises(RequestError):
        Region(0, 0, 0.01, 1).box(100, 50)


def test_what_is_large_is_enlarged_by_less() -> None:
    ready = made(Region(), Image.new("L", (2560, 1440)))
    assert 0.98 * MOST < ready.width * ready.height < 1.02 * MOST
    assert made(Region(), Image.new("L", (3840, 2160))).size == (3840, 2160)


def test_a_daemon_that_reads_ends_at_once(program: Program, tmp_path: Path) -> None:
    """A whole daemon, as systemd runs it, in the middle of it."""
    folder = Path(program(f"touch {tmp_path}/began; exec sleep 100000")).parent
    with served(tmp_path, environment={"PATH": f"{folder}:{os.environ['PATH']}"}) as process:
        process.wait("READY=1")
        asking = threading.Thread(target=lambda: process.ask("POST", "/api/ocr", {}), daemon=True)
        asking.start()
        eventually((tmp_path / "began").exists, "its beginning")
        code, body = process.ask("POST", "/api/ocr", {})
        assert (code, json.loads(body)["status"]) == (409, 0)
        assert process.end() == 0
