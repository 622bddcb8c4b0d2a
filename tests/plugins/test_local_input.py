"""The local keyboard without a kernel: the chord, what events become, settings, and a target that is away."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kvmd import Button, ConfigError, Device, DriverError, MouseEvent, find_keys
from kvmd.contract.settings import AuthSettings, CaptureSettings, HidSettings, Settings
from kvmd.kvm import Kvm
from kvmd.plugins.registry import Registry
from kvmd_drivers.virtual.computer import Computer, shared
from kvmd_plugins.local_input import (
    LocalInput,
    LocalInputSettings,
    _Hand,
    _is_typed_on,
    kvmd_services,
)
from kvmd_plugins.local_input.actions import EV_KEY, EV_REL, EV_SYN, Event, Press, actions, made_good
from kvmd_plugins.local_input.chord import GAP, Chord
from kvmd_plugins.local_input.source import Source
from tests.waiting import eventually

LEFT, RIGHT, A, SHIFT, DELETE, MUTE, POWER = 29, 97, 30, 42, 111, 113, 116
BTN_LEFT, BTN_RIGHT = 0x110, 0x111
X, Y, HWHEEL, WHEEL = 0, 1, 6, 8
STRIKE = [(LEFT, 1), (RIGHT, 1), (RIGHT, 0), (LEFT, 0)]


def struck(
    keys: list[tuple[int, int]], pace: float = 0.05, times: int = 2, chord: Sequence[int] = (LEFT, RIGHT)
) -> list[int]:
    """Feed keys to a chord; return where it was complete."""
    recognised = Chord(chord, times)
    return [at for at, (code, value) in enumerate(keys) if recognised.feed(code, value, 100 + at * pace)]


class TestChord:
    @pytest.mark.parametrize(
        "strike",
        [
            STRIKE,
            [(RIGHT, 1), (LEFT, 1), (RIGHT, 0), (LEFT, 0)],
            [(LEFT, 1), (LEFT, 2), (RIGHT, 1), (RIGHT, 2), (RIGHT, 0), (LEFT, 0)],
            # One that is held while the other is struck several times is one strike.
            [(LEFT, 1), (RIGHT, 1), (RIGHT, 0), (RIGHT, 1), (RIGHT, 0), (LEFT, 0)],
        ],
    )
    def test_is_complete_when_all_keys_are_up_for_the_second_time(self, strike: list[tuple[int, int]]) -> None:
        assert struck(strike * 2) == [len(strike) * 2 - 1]

    def test_begins_anew_each_time(self) -> None:
        assert struck(STRIKE * 5) == [7, 15]

    @pytest.mark.parametrize("times", [1, 3])
    def test_as_often_as_is_set(self, times: int) -> None:
        assert struck(STRIKE * times, times=times) == [4 * times - 1]

    def test_of_one_key(self) -> None:
        assert struck([(A, 1), (A, 0)] * 2, chord=[A]) == [3]

    @pytest.mark.parametrize(
        "keys",
        [
            STRIKE,
            [*STRIKE, (A, 1), (A, 0), *STRIKE],
            [(LEFT, 1), (LEFT, 0), (RIGHT, 1), (RIGHT, 0)] * 4,
            [(A, 1), *STRIKE * 2, (A, 0)],
            [(LEFT, 1), (A, 1), (RIGHT, 1), (RIGHT, 0), (A, 0), (LEFT, 0)] * 2,
            [(LEFT, 1), (RIGHT, 1), (A, 1), (A, 0), (RIGHT, 0), (LEFT, 0)] * 2,
        ],
    )
    def test_anything_else_is_none(self, keys: list[tuple[int, int]]) -> None:
        assert struck(keys) == []

    def test_strikes_follow_within_a_second(self) -> None:
        assert struck(STRIKE * 2, pace=GAP / 4) == [7]
        assert struck(STRIKE * 2, pace=GAP / 3.9) == []
        assert struck(STRIKE * 3, pace=GAP / 3.9) == []

    def test_a_late_strike_is_the_first_of_the_next(self) -> None:
        chord = Chord([A], 2)
        assert [chord.feed(A, value, time) for time, value in [(1, 1), (1, 0), (5, 1), (5, 0), (5.5, 1), (5.5, 0)]] == [
            *[False] * 5,
            True,
        ]


def key(code: int, value: int) -> Event:
    return Event(EV_KEY, code, value, 1.0)


def steps(code: int, value: int) -> Event:
    return Event(EV_REL, code, value, 1.0)


SYN = Event(EV_SYN, 0, 0, 1.0)


class TestActions:
    def test_keys_have_their_names(self) -> None:
        events = [key(A, 1), SYN, key(SHIFT, 1), SYN, key(A, 2), SYN, key(A, 0), SYN]
        assert list(actions(events, set())) == [Press("KeyA", True), Press("ShiftLeft", True), Press("KeyA", False)]

    @pytest.mark.parametrize(("code", "name"), [(DELETE, "Delete"), (MUTE, "AudioVolumeMute"), (POWER, "Power")])
    def test_of_several_names_the_common_one(self, code: int, name: str) -> None:
        assert list(actions([key(code, 1)], set())) == [Press(name, True)]

    @pytest.mark.parametrize("code", [240, 0x120, 500])
    def test_unknown_keys_do_nothing(self, code: int) -> None:
        assert list(actions([key(code, 1), key(code, 0)], set())) == []

    def test_moves_in_a_row_become_one(self) -> None:
        events = [steps(X, 3), steps(Y, -1), SYN, steps(X, 4), SYN, steps(WHEEL, -1), SYN, steps(HWHEEL, 2), SYN]
        assert list(actions(events, set())) == [MouseEvent(dx=7, dy=-1, wheel=-1, hwheel=2)]

    def test_a_wheel_alone_moves_nothing(self) -> None:
        assert list(actions([steps(WHEEL, 1)], set())) == [MouseEvent(wheel=1)]

    def test_moves_that_lead_back_are_none(self) -> None:
        assert list(actions([steps(X, 5), SYN, steps(X, -5), SYN], set())) == []

    def test_buttons_and_keys_are_never_passed_by_moves(self) -> None:
        held: set[Button] = set()
        events = [steps(X, 1), key(BTN_LEFT, 1), steps(X, 2), key(BTN_RIGHT, 1), key(A, 1), steps(X, 4)]
        assert list(actions(events, held)) == [
            MouseEvent(dx=1, dy=0),
            MouseEvent(buttons=[Button.LEFT]),
            MouseEvent(dx=2, dy=0),
            MouseEvent(buttons=[Button.LEFT, Button.RIGHT]),
            Press("KeyA", True),
            MouseEvent(dx=4, dy=0),
        ]
        assert held == {Button.LEFT, Button.RIGHT}
        assert list(actions([key(BTN_LEFT, 0)], held)) == [MouseEvent(buttons=[Button.RIGHT])]

    def test_dropped_events_are_made_good(self) -> None:
        assert made_good({A, SHIFT}, {SHIFT, DELETE}, 1.0) == [key(A, 0), key(DELETE, 1)]
        assert made_good({A}, {A}, 1.0) == []


def new_kvm(folder: Path, **tables: dict[str, Any]) -> Kvm:
    return Kvm(
        Settings(
            capture=CaptureSettings(driver="virtual"),
            hid=HidSettings(driver="virtual", options={"computer": folder.name}),
            auth=AuthSettings(file=str(folder / "auth.json")),
            plugins=tables,
        ),
        Registry(),
        "my.toml",
    )


class TestSettings:
    def test_it_is_off_unless_enabled(self, tmp_path: Path) -> None:
        assert list(kvmd_services(new_kvm(tmp_path))) == []
        assert list(kvmd_services(new_kvm(tmp_path, local_input={"chord": ["Pause"]}))) == []
        [service] = kvmd_services(new_kvm(tmp_path, local_input={"enabled": True}))
        assert isinstance(service, LocalInput)

    def test_the_default_chord(self) -> None:
        assert LocalInputSettings().chord_codes() == [LEFT, RIGHT]

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ({"chord": ["Any"]}, 'my.toml: plugins.local_input: chord: "Any" is not a key'),
            ({"chord": []}, "my.toml: plugins.local_input.chord = [] cannot be used; accepted: list of text"),
            ({"enabled": "yes"}, 'plugins.local_input.enabled = "yes" cannot be used; accepted: true or false'),
            (
                {"chord_times": 9},
                "plugins.local_input.chord_times = 9 cannot be used; accepted: whole number (at least 1",
            ),
            (
                {"device": "*"},
                "plugins.local_input.device is not known; there are: chord, chord_times, devices, enabled",
            ),
        ],
    )
    def test_what_is_wrong_is_told(self, tmp_path: Path, table: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError) as raised:
            kvmd_services(new_kvm(tmp_path, local_input=table))
        assert message in str(raised.value)

    def test_without_evdev_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "evdev", None)
        [service] = kvmd_services(new_kvm(tmp_path, local_input={"enabled": True}))
        with pytest.raises(DriverError, match="apt install python3-evdev"):
            service.start()


@pytest.mark.parametrize(
    ("properties", "is_typed_on"),
    [
        ({"ID_INPUT": "1", "ID_INPUT_KEY": "1", "ID_INPUT_KEYBOARD": "1", "ID_BUS": "usb"}, True),
        ({"ID_INPUT": "1", "ID_INPUT_KEY": "1", "ID_INPUT_KEYBOARD": "1"}, True),
        ({"ID_INPUT": "1", "ID_INPUT_MOUSE": "1", "ID_BUS": "usb"}, True),
        # The media keys of a USB keyboard, and the KVM's own power button.
        ({"ID_INPUT": "1", "ID_INPUT_KEY": "1", "ID_BUS": "usb"}, True),
        ({"ID_INPUT": "1", "ID_INPUT_KEY": "1"}, False),
        ({"ID_INPUT": "1", "ID_INPUT_TOUCHPAD": "1", "ID_BUS": "usb"}, False),
        ({}, False),
    ],
)
def test_what_a_hand_is_on(properties: dict[str, str], is_typed_on: bool) -> None:
    assert _is_typed_on(Device("input", "event3", node="/dev/input/event3", properties=properties)) is is_typed_on
    assert not _is_typed_on(Device("input", "mouse0", node="/dev/input/mouse0", properties=properties))
    assert not _is_typed_on(Device("input", "input3", properties=properties))


class TestHand:
    """With a real KVM and its virtual computer."""

    @pytest.fixture
    def kvm(self, tmp_path: Path) -> Iterator[Kvm]:
        kvm = new_kvm(tmp_path)
        kvm.start()
        eventually(lambda: kvm.input.slot.is_online, "HID to be online")
        yield kvm
        kvm.stop()

    @pytest.fixture
    def computer(self, kvm: Kvm) -> Computer:
        return shared(kvm.settings.hid.options["computer"])

    @pytest.fixture
    def hand(self, kvm: Kvm) -> _Hand:
        source = cast("Source", SimpleNamespace(client="local:event3"))
        return _Hand(source, kvm.input, Chord([LEFT, RIGHT], 2))

    def test_keys_and_buttons_go_down_and_up(self, hand: _Hand, computer: Computer) -> None:
        hand.act([key(SHIFT, 1), key(A, 1), key(BTN_RIGHT, 1)])
        usage = find_keys("KeyA")[0].usage
        assert (computer.down.modifiers, computer.down.keys) == (0x02, (usage,))
        assert computer.state().pointer.buttons == 0x02
        hand.act([key(A, 0)])
        assert (computer.down.modifiers, computer.down.keys) == (0x02, ())
        hand.let_go()
        assert computer.down.modifiers == 0
        assert computer.state().pointer.buttons == 0

    def test_what_is_refused_is_not_held_and_told_once(
        self, kvm: Kvm, hand: _Hand, computer: Computer, caplog: pytest.LogCaptureFixture
    ) -> None:
        computer.plug_host(False)
        eventually(lambda: not kvm.input.slot.is_online, "HID to be offline")
        hand.act([key(SHIFT, 1), key(A, 1), key(BTN_LEFT, 1), steps(X, 3)])
        [message] = [record.getMessage() for record in caplog.records if record.name == "kvmd_plugins.local_input"]
        assert "USB cable is unplugged" in message
        computer.plug_host(True)
        eventually(lambda: kvm.input.slot.is_online, "HID to be online again")
        hand.act([key(DELETE, 1)])
        assert (computer.down.modifiers, computer.down.keys) == (0, (find_keys("Delete")[0].usage,))
        assert kvm.input.keyboard._holders.of("local:event3") == find_keys("Delete")

    def test_too_many_keys_are_told(self, hand: _Hand, caplog: pytest.LogCaptureFixture) -> None:
        hand.act([key(code, 1) for code in range(30, 38)])
        assert ["7 ordinary keys at once" in message for message in caplog.messages] == [True]

    def test_events_are_cut_after_the_chord(self, hand: _Hand) -> None:
        events = [key(A, 1), key(A, 0), *[key(*each) for each in STRIKE * 2], key(A, 1)]
        assert list(hand.split(events)) == [(events[:10], True), (events[10:], False)]
