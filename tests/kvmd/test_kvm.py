"""The whole core with the virtual pair: pictures for those who watch, keys for the computer, and cables that go."""

import io
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from PIL import Image

import kvmd
from kvmd.contract.board import Facts
from kvmd.contract.capture import Frame
from kvmd.contract.device import Device
from kvmd.contract.hid import Button, MouseEvent
from kvmd.contract.reports import BoardReport, Size, State, Status
from kvmd.contract.settings import AuthSettings, CaptureSettings, HidSettings, RoleSettings, Settings
from kvmd.errors import ConfigError, HidOffline, RequestError
from kvmd.input.keymap import KEYS
from kvmd.kvm import Kvm
from kvmd.plugins.hookspecs import Event
from kvmd.plugins.registry import Registry
from kvmd.video import encode
from kvmd.video.slate import slate
from kvmd_drivers.virtual import VirtualCapture, VirtualHid
from kvmd_drivers.virtual.computer import Computer, shared
from tests.loop import Loop
from tests.waiting import eventually, patience

NOTHING = (0, ())
A = KEYS["KeyA"].usage

Part = tuple[Message, bytes]
"""A picture of a stream, with its headers."""


class Encoded:
    """Counts what goes through the encoder."""

    def __init__(self) -> None:
        self.count = 0
        self._encode = encode.to_jpeg

    def __call__(self, frame: Frame, quality: int) -> bytes:
        self.count += 1
        return self._encode(frame, quality)


@pytest.fixture(scope="module")
def encoded() -> Iterator[Encoded]:
    with pytest.MonkeyPatch.context() as patch:
        counter = Encoded()
        patch.setattr(encode, "to_jpeg", counter)
        yield counter


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, encoded: Encoded) -> Iterator[Kvm]:  # noqa: ARG001  # it is put in place first
    kvm = new_kvm(tmp_path_factory.mktemp("kvm"))
    kvm.start()
    yield kvm
    kvm.stop()
    assert not kvm.is_alive()


@pytest.fixture
def kvm(running: Kvm) -> Kvm:
    """The running KVM, with both cables plugged in, nobody watching and nothing held."""
    computer_of(running).plug_video(True)
    computer_of(running).plug_host(True)
    eventually(lambda: running.video.slot.is_online and running.input.slot.is_online, "both being online")
    running.input.keyboard.reset()
    eventually(lambda: not running.video.broadcaster.watched, "nobody watching")
    return running


@pytest.fixture
def computer(kvm: Kvm) -> Computer:
    return computer_of(kvm)


def new_kvm(folder: Path, hold_timeout: float = 10.0, **options: Any) -> Kvm:
    options = {"computer": folder.name, **options}
    return Kvm(
        Settings(
            capture=CaptureSettings(driver="virtual", options=options),
            hid=HidSettings(driver="virtual", options={"computer": folder.name}, hold_timeout=hold_timeout),
            auth=AuthSettings(file=str(folder / "auth.json")),
        ),
        Registry(),
    )


def computer_of(kvm: Kvm) -> Computer:
    return shared(kvm.settings.hid.options["computer"])


def down(computer: Computer) -> tuple[int, tuple[int, ...]]:
    return computer.down.modifiers, computer.down.keys


@pytest.fixture
def stream(kvm: Kvm, loop: Loop) -> Iterator[Iterator[Part]]:
    """The pictures of a stream, each with its headers."""
    with watch(kvm, loop) as near, near.makefile("rb") as file:
        yield parts(file)


@contextmanager
def watch(kvm: Kvm, loop: Loop) -> Iterator[socket.socket]:
    """Become a viewer."""
    near, far = socket.socketpair()
    near.settimeout(patience())
    with near:
        loop.connect(far, kvm.video.viewer(None, lambda: None))
        yield near
    eventually(lambda: not kvm.video.broadcaster.viewers, "the viewer's leaving")


def parts(file: IO[bytes]) -> Iterator[Part]:
    while file.readline():
        lines = []
        while (line := file.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        headers = message_from_bytes(b"".join(lines))
        body = file.read(int(headers["Content-Length"] or 0))
        file.readline()
        yield headers, body


def is_slate(part: Part) -> bool:
    """A slate's background is not the colour of the computer's screen."""
    return Image.open(io.BytesIO(part[1])).convert("RGB").getpixel((5, 5)) == pytest.approx((16, 20, 26), abs=4)


def first(pictures: Iterator[Part], wanted: Callable[[Part], bool]) -> Part:
    return next(part for part in pictures if wanted(part))


def is_live(part: Part) -> bool:
    return not is_slate(part)


def test_nothing_is_encoded_while_nobody_watches(kvm: Kvm, encoded: Encoded) -> None:
    seen = kvm.status().capture
    before = encoded.count
    eventually(lambda: kvm.status().capture.captured_fps > 0, "pictures being captured")
    time.sleep(0.5)
    assert encoded.count == before
    assert seen.viewers == 0
    assert kvm.video.snapshot(patience())
    assert encoded.count > before


def test_a_standing_screen_is_encoded_only_when_it_changes(kvm: Kvm, encoded: Encoded, stream: Iterator[Part]) -> None:
    first(stream, is_live)
    before, unchanged = encoded.count, kvm.status().capture.unchanged
    began = time.monotonic()
    eventually(lambda: kvm.status().capture.unchanged > unchanged + 20, "unchanged pictures")
    passed = time.monotonic() - began
    assert encoded.count - before < 5 + 4 * passed, "the clock and the cursor change the screen four times a second"


def test_status(kvm: Kvm, stream: Iterator[Part]) -> None:
    first(stream, is_live)

    def status_with_a_rate() -> Status | None:
        status = kvm.status()
        return status if status.capture.captured_fps > 0 and status.capture.sent_fps > 0 else None

    status = eventually(status_with_a_rate, "a rate")
    assert status.version == kvmd.__version__
    capture, hid = status.capture, status.hid
    assert (capture.state, capture.driver) == (State.ONLINE, "virtual")
    assert capture.device == f"virtual computer {kvm.settings.hid.options['computer']}"
    assert capture.resolution == Size(1280, 720)
    assert (capture.format, capture.frame_rate) == ("RGB24", 30.0)
    assert (capture.viewers, capture.dropped) == (1, 0)
    assert capture.sent_fps <= capture.captured_fps <= 31
    assert capture.captured_kbps == pytest.approx(capture.captured_fps * 1280 * 720 * 3 * 8 / 1000, rel=0.2)
    assert 0 < capture.sent_kbps < capture.captured_kbps / 5
    assert status.began <= capture.since
    assert (hid.state, hid.driver, hid.host_connected) == (State.ONLINE, "virtual", True)
    assert hid.device == capture.device
    assert hid.capabilities == [
        "keyboard",
        "absolute_mouse",
        "relative_mouse",
        "leds",
        "consumer_control",
        "system_control",
    ]
    assert hid.leds == kvmd.Leds()
    assert kvm.is_alive()


def test_the_lamps_are_in_the_status(kvm: Kvm) -> None:
    kvm.input.tap("me", ["CapsLock"])
    eventually(lambda: kvm.status().hid.leds == kvmd.Leds(caps=True), "the lamp")
    kvm.input.tap("me", ["CapsLock"])
    eventually(lambda: kvm.status().hid.leds == kvmd.Leds(), "the lamp being out")


def test_a_lost_signal_is_told_on_the_open_stream_and_comes_back(
    kvm: Kvm, computer: Computer, stream: Iterator[Part]
) -> None:
    kvm.video._size = Size(640, 480)
    first(stream, is_live)
    eventually(lambda: kvm.video._size != Size(640, 480), "a picture that was taken after that")
    computer.plug_video(False)
    shown = first(stream, is_slate)
    assert Image.open(io.BytesIO(shown[1])).size == (1280, 720), "as large as what was shown before"
    status = kvm.status().capture
    assert (status.state, status.resolution, status.format) == (State.NO_SIGNAL, None, None)
    assert status.reason == "no signal: the virtual computer's cable is unplugged"
    assert kvm.video.snapshot(0.05) is None
    computer.plug_video(True)
    first(stream, is_live)
    assert kvm.status().capture.state is State.ONLINE
    assert kvm.status().capture.since >= status.since
    assert kvm.video.slot.driver is not None


def test_one_who_joins_when_the_signal_is_back_sees_no_slate(kvm: Kvm, computer: Computer, loop: Loop) -> None:
    computer.plug_video(False)
    eventually(lambda: kvm.video.slot.status.state is State.NO_SIGNAL, "the loss")
    computer.plug_video(True)
    eventually(lambda: kvm.video.slot.is_online, "the signal")
    with watch(kvm, loop) as near, near.makefile("rb") as file:
        assert is_live(next(parts(file)))


def test_a_slate_says_why(kvm: Kvm, computer: Computer) -> None:
    online = kvm.video.slate()
    computer.plug_video(False)
    eventually(lambda: kvm.video.slot.status.state is State.NO_SIGNAL, "the loss")
    assert kvm.video.slate().data != online.data
    assert kvm.video.slate().data == slate("No signal", "no signal: the virtual computer's cable is unplugged").data


def test_a_snapshot_shows_what_was_typed_before(kvm: Kvm) -> None:
    before = kvm.video.snapshot(patience())
    assert before is not None
    kvm.input.tap("me", ["KeyX"])
    called = time.monotonic()
    after = kvm.video.snapshot(patience())
    assert after is not None
    assert after.timestamp >= called
    assert after.data != before.data


def test_keys_reach_the_computer(kvm: Kvm, computer: Computer) -> None:
    kvm.input.tap("me", ["ShiftLeft", "KeyH"])
    kvm.input.tap("me", ["KeyI"])
    assert any(line.text.endswith("Hi") for line in computer.state().lines)
    kvm.input.press("me", ["ControlLeft", "KeyA"])
    assert down(computer) == (1, (A,))
    kvm.input.release("me", ["KeyA"])
    assert down(computer) == (1, ())
    kvm.input.release_all("me")
    assert down(computer) == NOTHING


def test_what_makes_no_sense_is_not_typed(kvm: Kvm, computer: Computer) -> None:
    before = computer.state().keys
    with pytest.raises(RequestError, match='"KeyÄ" is not a key'):
        kvm.input.tap("me", ["KeyA", "KeyÄ"])
    assert computer.state().keys == before
    assert kvm.input.slot.is_online, "a client's mistake is none of the hardware"


def test_a_lost_host_is_told_and_works_after(kvm: Kvm, computer: Computer) -> None:
    kvm.input.press("me", ["KeyA"])
    computer.plug_host(False)
    for call in (kvm.input.tap, kvm.input.press, kvm.input.release):
        with pytest.raises(HidOffline, match="no host: the virtual computer's USB cable is unplugged"):
            call("me", ["KeyB"])
    eventually(lambda: kvm.status().hid.state is State.NO_SIGNAL, "the loss")
    status = kvm.status().hid
    assert (status.host_connected, status.leds) == (False, None)
    assert status.reason == "no host: the virtual computer's USB cable is unplugged"
    computer.plug_host(True)
    eventually(lambda: kvm.input.slot.is_online, "the host")
    assert down(computer) == NOTHING
    kvm.input.tap("you", ["KeyB"])
    assert down(computer) == NOTHING, "what was held before the loss is not pressed anew"


def test_keys_are_refused_at_once_while_there_is_no_host(kvm: Kvm, computer: Computer) -> None:
    computer.plug_host(False)
    eventually(lambda: not kvm.input.slot.is_online, "the loss")
    with pytest.raises(HidOffline, match=r"^keyboard and mouse: no signal: no host: the virtual computer's USB cable"):
        kvm.input.tap("me", ["KeyA"])
    kvm.input.leave("me")


def test_one_who_leaves_holds_nothing(kvm: Kvm, computer: Computer) -> None:
    kvm.input.press("me", ["KeyA"])
    kvm.input.press("you", ["ShiftLeft"])
    kvm.input.leave("me")
    assert down(computer) == (2, ())
    kvm.input.leave("you")
    kvm.input.leave("nobody")
    assert down(computer) == NOTHING


def test_the_keys_of_an_ended_session_are_released(kvm: Kvm, computer: Computer) -> None:
    kvm.auth.credentials.set_password("admin", "a password for this")
    token = kvm.auth.login("admin", "a password for this", "192.0.2.1").token
    grant = kvm.auth.identify_token(token)
    assert grant is not None
    kvm.input.press(grant.client, ["KeyA"])
    kvm.auth.logout(token, "127.0.0.1")
    eventually(lambda: down(computer) == NOTHING, "the release")


def test_the_keys_of_a_silent_client_are_released(tmp_path: Path) -> None:
    kvm = new_kvm(tmp_path, hold_timeout=0.2)
    kvm.start()
    eventually(lambda: kvm.input.slot.is_online, "the HID")
    try:
        kvm.input.press("me", ["KeyA"])
        assert any(line.text.endswith("a") for line in computer_of(kvm).state().lines)
        eventually(lambda: down(computer_of(kvm)) == NOTHING, "the release")
    finally:
        kvm.stop()


def test_what_a_life_before_left_held_is_released_at_the_start(tmp_path: Path) -> None:
    kvm = new_kvm(tmp_path)
    computer_of(kvm).take(kvmd.KeyboardReport(2, (A,)))
    kvm.start()
    eventually(lambda: kvm.input.slot.is_online, "the HID")
    assert down(computer_of(kvm)) == NOTHING
    kvm.stop()


def test_stop_releases_what_is_held_and_closes_everything(tmp_path: Path, loop: Loop) -> None:
    kvm = new_kvm(tmp_path)
    kvm.start()
    eventually(lambda: kvm.input.slot.is_online and kvm.video.slot.is_online, "both")
    with watch(kvm, loop) as near:
        kvm.input.press("me", ["ControlLeft", "KeyA"])
        kvm.stop()
        assert down(computer_of(kvm)) == NOTHING
        assert not kvm.is_alive()
        assert (kvm.input.slot.driver, kvm.video.slot.driver) == (None, None)
        while near.recv(1 << 20):
            pass
    with pytest.raises(HidOffline):
        kvm.input.tap("me", ["KeyA"])
    assert kvm.video.snapshot(0) is None


@pytest.mark.parametrize("cable", ["plug_video", "plug_host"])
def test_stop_works_while_a_cable_is_out(tmp_path: Path, cable: str) -> None:
    kvm = new_kvm(tmp_path)
    getattr(computer_of(kvm), cable)(False)
    kvm.start()
    eventually(lambda: State.NO_SIGNAL in {kvm.input.slot.status.state, kvm.video.slot.status.state}, "the loss")
    kvm.stop()
    assert not kvm.is_alive()


def test_a_device_without_a_keyboard_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VirtualHid, "capabilities", kvmd.Capability.ABSOLUTE_MOUSE)
    kvm = new_kvm(tmp_path)
    kvm.start()
    eventually(lambda: kvm.input.slot.is_online, "the HID")
    with pytest.raises(kvmd.Unsupported, match="KeyA cannot be pressed: the device in use has no keyboard"):
        kvm.input.press("me", ["KeyA"])
    kvm.input.leave("me")
    assert kvm.status().hid.capabilities == ["absolute_mouse"]
    kvm.stop()
    assert not kvm.is_alive()


def test_what_is_plugged_in_is_looked_for_when_udev_tells_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, tell = [], []

    def list_devices(subsystems: Iterable[str]) -> list[Device]:
        listed.append(subsystems)
        return []

    class Monitor:
        def __init__(self, _subsystems: object, changed: Callable[[str, Device], None]) -> None:
            tell.append(changed)

    monkeypatch.setattr("kvmd.kvm.Monitor", Monitor)
    monkeypatch.setattr("kvmd.plugins.choice.list_devices", list_devices)
    kvm = Kvm(Settings(auth=AuthSettings(file=str(tmp_path / "auth.json"))), Registry())
    for count in (1, 2):
        for _ in range(2):
            assert kvm.choices["hid"].report().driver is None
        assert len(listed) == count
        tell[0]("add", Device("tty", "ttyUSB0"))


def test_every_change_is_told_to_the_plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    kvm = new_kvm(tmp_path)
    monkeypatch.setattr(kvm.registry, "emit", events.append)
    kvm.start()
    eventually(lambda: kvm.input.slot.is_online and kvm.video.slot.is_online, "both")
    computer_of(kvm).plug_host(False)
    eventually(lambda: "no signal" in [event.state for event in events if event.role == "hid"], "the loss")
    kvm.stop()
    assert [event.state for event in events if event.role == "capture"] == ["starting", "online"]
    hid = [event for event in events if event.role == "hid"]
    assert [event.state for event in hid] == ["starting", "online", "no signal"]
    assert hid[-1].reason == "no host: the virtual computer's USB cable is unplugged"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Settings(capture=CaptureSettings(driver="vv4l2")),
            'capture.driver = "vv4l2" cannot be used; accepted: "auto"',
        ),
        (Settings(hid=HidSettings(driver="virtul")), 'hid.driver = "virtul" cannot be used'),
        (Settings(capture=CaptureSettings(driver="virtual", options={"fps": 1})), "capture.options.fps is not known"),
        (
            Settings(capture=CaptureSettings(driver="virtual", options={"frame_rate": 0})),
            "capture.options.frame_rate = 0 cannot be used",
        ),
        (Settings(hid=HidSettings(driver="virtual", options={"computer": 7})), "hid.options.computer = 7"),
    ],
)
def test_settings_that_cannot_be_used_are_told(settings: Settings, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Kvm(settings, Registry(), "my.toml")
    assert str(raised.value).startswith("my.toml: ")
    assert message in str(raised.value)


def test_settings_of_a_plugin_are_its_own_and_checked() -> None:
    class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        colour: str = "red"

    plugins: dict[str, dict[str, Any]] = {"virtual": {"colour": "blue"}, "v4l2": {"colour": 1}}
    settings = Settings(capture=CaptureSettings("virtual"), hid=HidSettings("virtual"), plugins=plugins)
    kvm = Kvm(settings, Registry(), "my.toml")
    assert kvm.plugin_settings("virtual", Shape).colour == "blue"
    assert kvm.plugin_settings("usb_gadget", Shape).colour == "red"
    with pytest.raises(ConfigError) as raised:
        kvm.plugin_settings("v4l2", Shape)
    assert str(raised.value) == "my.toml: plugins.v4l2.colour = 1 cannot be used; accepted: text"


def test_a_client_that_says_that_it_stays_keeps_what_it_holds(tmp_path: Path) -> None:
    kvm = new_kvm(tmp_path, hold_timeout=2)
    computer = computer_of(kvm)
    kvm.start()
    try:
        eventually(lambda: kvm.input.slot.is_online, "HID to be online")
        for client, key, button in [("stays", "KeyA", Button.LEFT), ("silent", "KeyB", Button.RIGHT)]:
            kvm.input.press(client, [key])
            kvm.input.point(client, MouseEvent(buttons=[button]))

        def held_by_who_stays() -> bool:
            kvm.input.stay("stays")
            return down(computer) == (0, (A,)) and computer.state().pointer.buttons == Button.LEFT.mask

        eventually(held_by_who_stays, "B alone to be released, and its button, too")
        eventually(lambda: down(computer) == NOTHING, "A to be released")
    finally:
        kvm.stop()


def test_a_board_fills_the_roles_that_the_settings_leave_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = """
        name = "acme"
        title = "Acme KVM"
        known_by = { model = "Acme*" }
        capture = { driver = "virtual", options = { frame_rate = 5.0 } }
        hid = { driver = "virtual" }
    """
    (tmp_path / "boards.d").mkdir()
    (tmp_path / "boards.d" / "acme.toml").write_text(board)
    monkeypatch.setattr("kvmd.kvm.FOLDER", tmp_path / "boards.d")
    monkeypatch.setattr("kvmd.kvm.read_facts", lambda: Facts(model="Acme KVM 2"))
    settings = Settings(hid=HidSettings(options={"computer": "other"}, driver="virtual"))
    kvm = Kvm(settings, Registry(), "my.toml")
    assert kvm.roles["capture"] == (RoleSettings("virtual", {"frame_rate": 5.0}), "board acme")
    assert kvm.roles["hid"] == (settings.hid, "my.toml")
    assert kvm.status().board == BoardReport("acme", "Acme KVM", 'model = "Acme KVM 2"')
    assert [kvm.choices[role].report().driver for role in ("capture", "hid")] == ["virtual", "virtual"]
    assert Kvm(Settings(board="none"), Registry(), "my.toml").status().board is None


def test_a_driver_whose_frames_end_is_tried_again_and_not_in_a_circle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def frames(_: VirtualCapture) -> Iterator[Frame]:
        calls.append(1)
        return iter(())

    monkeypatch.setattr(VirtualCapture, "frames", frames)
    kvm = new_kvm(tmp_path)
    kvm.start()
    eventually(lambda: kvm.video.slot.status.state is State.RETRYING, "retrying")
    assert "gave no more frames" in kvm.video.slot.status.reason
    assert len(calls) < 10
    kvm.stop()
