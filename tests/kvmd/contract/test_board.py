"""Boards: read from TOML, and recognised from what the firmware says, recorded here as the kernel shows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kvmd.contract.board import (
    Board,
    BoardChoice,
    Facts,
    KnownBy,
    catalogue,
    choose_board,
    load_boards,
    read_facts,
    recognise,
    survey_boards,
)
from kvmd.contract.device import Device
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError

ACME = """\
name = "acme"
title = "Acme KVM"

[known_by]
model = "Acme KVM*"

[capture]
driver = "v4l2"
options = { usb_id = "534d:2109" }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder with the files of a Raspberry Pi's firmware."""
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    (tree / "compatible").write_bytes(b"raspberrypi,4-model-b\0brcm,bcm2711\0")
    for name, chip, status in (("rtc@51", "nxp,pcf8563\0nxp,rtc", "okay"), ("hdmi@f", "toshiba,tc358743", "disabled")):
        node = tree / f"soc/i2c@1/{name}"
        node.mkdir(parents=True)
        (node / "compatible").write_text(f"{chip}\0")
        (node / "status").write_text(f"{status}\0")
    return tmp_path


@pytest.fixture
def pc(tmp_path: Path) -> Path:
    """A root folder with the files of a PC's firmware."""
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "product_name").write_text("Acme KVM Mini\n")
    return tmp_path


BUS = "/sys/devices/pci0000:00/0000:00:14.0/usb1"
DONGLE, SERIAL = "534d:2109", "1a86:7523"


def board(name: str = "acme", *, by_name: bool = False, **known_by: Any) -> Board:
    return Board(name, name.title(), KnownBy(**known_by), by_name=by_name)


def name_of(board: Board | None) -> str | None:
    return board.name if board else None


def usb(place: str, usb_id: str) -> Device:
    return Device("usb", place, f"{BUS}/{place}", properties={"ID_VENDOR_ID": usb_id[:4], "ID_MODEL_ID": usb_id[5:]})


def facts_of(root: Path, *devices: Device) -> Facts:
    return read_facts(root, devices)


def test_load(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(ACME.replace("acme", "second"))
    (tmp_path / "a.toml").write_text(ACME)
    (tmp_path / "README").write_text("not a board")
    first, second = load_boards(tmp_path)
    assert first == Board(
        "acme",
        "Acme KVM",
        KnownBy(model="Acme KVM*"),
        capture=RoleSettings("v4l2", {"usb_id": "534d:2109"}),
        hid=RoleSettings("auto", {}),
    )
    assert second.name == "second"


def test_no_folder(tmp_path: Path) -> None:
    assert load_boards(tmp_path / "boards.d") == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "acme"', "", "name is missing; accepted: text"),
        (
            '[known_by]\nmodel = "Acme KVM*"',
            "",
            "known_by is missing; say how the board is recognised, or that it is not: by_name = true",
        ),
        (
            '"acme"',
            '"auto"',
            'name = "auto" has a meaning of its own in the setting board; give it another',
        ),
        ("model =", "modell =", "known_by.modell is not known; there are: chip, compatible, model, product, usb"),
        (
            'model = "Acme KVM*"',
            'usb = ["534D:2109"]',
            'known_by.usb = ["534D:2109"] cannot be used; accepted: list of text (as `^[0-9a-f]{4}:[0-9a-f]{4}$`) '
            "(at least 1 long) or not set",
        ),
        ('"Acme KVM*"', "7", "known_by.model = 7 cannot be used; accepted: text or not set"),
        ('"v4l2"', "2", "capture.driver = 2 cannot be used; accepted: text"),
        ("driver =", "quality = 50\ndriver =", "capture.quality is not known; there are: driver, options"),
        ("title =", "colour =", "colour is not known; there are: by_name, capture, hid, known_by, name, power, title"),
    ],
)
def test_wrong_boards_are_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(ACME.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load_boards(tmp_path)
    assert str(raised.value) == f"{path}: {expected}"


def test_facts_of_a_device_tree(root: Path) -> None:
    chips = ("brcm,bcm2711", "nxp,pcf8563", "nxp,rtc", "raspberrypi,4-model-b")
    compatible = ("raspberrypi,4-model-b", "brcm,bcm2711")
    assert facts_of(root) == Facts("Raspberry Pi 4 Model B Rev 1.4", compatible, chips)


def test_facts_of_a_pc(pc: Path) -> None:
    assert facts_of(pc) == Facts(product="Acme KVM Mini")


def test_no_facts(tmp_path: Path) -> None:
    assert facts_of(tmp_path) == Facts()


def test_the_rest_is_read_where_some_files_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("name = 3")
    (tmp_path / "b.toml").write_text(ACME)
    (tmp_path / "c.toml").write_text(ACME)
    boards, problems = survey_boards(tmp_path)
    assert [each.name for each in boards] == ["acme"]
    assert [str(error).removeprefix(f"{path}: ") for path, error in problems.items()] == [
        "name = 3 cannot be used; accepted: text",
        'name = "acme" is taken by another file in this folder',
    ]
    with pytest.raises(ConfigError, match=r"a\.toml: name = 3 "):
        load_boards(tmp_path)


@pytest.mark.parametrize(
    ("known_by", "fits"),
    [
        ({"model": "Raspberry Pi 4 Model B*"}, True),
        ({"model": "Raspberry Pi 4 Model B"}, False),
        ({"compatible": "brcm,bcm2711"}, True),
        ({"compatible": "raspberrypi,4-model-b"}, True),
        ({"compatible": "nxp,rtc"}, False),
        ({"compatible": "brcm"}, False),
        ({"chip": "nxp,pcf8563"}, True),
        ({"chip": "nxp,rtc"}, True),
        ({"chip": "toshiba,tc358743"}, False),
        ({"model": "Raspberry*", "compatible": "brcm,bcm2711"}, True),
        ({"model": "Raspberry*", "compatible": "brcm,bcm2712"}, False),
        ({"model": "Raspberry*", "chip": "nxp,rtc", "usb": (DONGLE,)}, True),
        ({"model": "Raspberry*", "chip": "nxp,rtc", "usb": (SERIAL,)}, False),
        ({"product": "Acme KVM Mini"}, False),
        ({"product": "*"}, False),
        ({"model": "Raspberry*", "product": "?*"}, False),
        ({"compatible": ""}, False),
        ({"model": "Raspberry*", "compatible": ""}, False),
    ],
)
def test_known_by_device_tree(root: Path, known_by: dict[str, Any], fits: bool) -> None:
    assert (recognise([board(**known_by)], facts_of(root, usb("1-1", DONGLE))) is not None) is fits


def test_known_by_nothing() -> None:
    assert KnownBy().found(Facts()) == {}


def test_known_by_dmi(pc: Path) -> None:
    assert name_of(recognise([board("other", product="Acme KVM"), board(product="Acme KVM*")], facts_of(pc))) == "acme"


@pytest.mark.parametrize(
    ("places", "fits"),
    [
        (("1-4/1-4.1", "1-4/1-4.2"), True),
        (("1-1/1-1.4/1-1.4.2", "1-1/1-1.4/1-1.4.1"), True),
        (("1-1", "1-2"), False),
        (("1-1/1-1.3", "1-1/1-1.4/1-1.4.1"), False),
        (("1-1/1-1.1", "1-2/1-2.1"), False),
    ],
)
def test_known_by_what_is_behind_one_hub(tmp_path: Path, places: tuple[str, str], fits: bool) -> None:
    facts = facts_of(tmp_path, *map(usb, places, (DONGLE, SERIAL)), Device("usb", "1-0:1.0", f"{BUS}/1-0:1.0"))
    assert KnownBy(usb=(SERIAL, DONGLE)).found(facts) == ({"usb": (SERIAL, DONGLE)} if fits else {})
    assert KnownBy(usb=(SERIAL,)).found(facts)
    assert not KnownBy(usb=(SERIAL, "345f:2131")).found(facts)


def test_usb_devices_are_asked_of_udev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "kvmd.contract.board.list_devices", lambda subsystems: [usb("1-1", DONGLE)] * (subsystems == ["usb"])
    )
    assert read_facts(tmp_path) == Facts(usb=((DONGLE,),))


def test_what_was_found_is_told(root: Path) -> None:
    choice = choose_board("auto", [], [board(model="Rasp*", chip="nxp,rtc")], facts_of(root), "kvmd.toml")
    assert choice.why == 'model = "Raspberry Pi 4 Model B Rev 1.4", chip = "nxp,rtc"'


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"model": "Rasp*"}, {"model": "Rasp*", "chip": "nxp,rtc"}),
        ({"model": "Raspberry Pi 4 Model B Rev 1.4"}, {"model": "*", "compatible": "brcm,bcm2711"}),
        ({"model": "Raspberry Pi *"}, {"model": "Raspberry Pi 4*"}),
        ({"usb": (DONGLE, SERIAL)}, {"model": "Rasp*"}),
        ({"model": "Rasp*"}, {"model": "Rasp*", "usb": (DONGLE,)}),
        ({"usb": (DONGLE,)}, {"usb": (DONGLE, SERIAL)}),
    ],
)
def test_the_most_specific_wins(root: Path, less: dict[str, Any], more: dict[str, Any]) -> None:
    facts = facts_of(root, usb("1-1/1-1.1", DONGLE), usb("1-1/1-1.2", SERIAL))
    boards = [board("less", **less), board("more", **more)]
    assert {name_of(recognise(order, facts)) for order in (boards, boards[::-1])} == {"more"}


def test_of_equals_the_first_wins(root: Path) -> None:
    boards = [board("no", model="Acme"), board("first", model="Rasp*"), board("second", model="Rasp*")]
    assert name_of(recognise(boards, facts_of(root))) == "first"


def test_nothing_fits(tmp_path: Path) -> None:
    everything = [board(model="*"), board(compatible=""), board(product="*"), board(chip=""), board(usb=(DONGLE,))]
    choice = choose_board("auto", everything, everything, facts_of(tmp_path), "kvmd.toml")
    assert (choice.board, choice.why, choice.alike) == (None, "nothing here is as any board says", ())


class TestChoice:
    CARRIERS = (
        board("one", by_name=True, model="Raspberry Pi 4*"),
        board("two", by_name=True, model="Raspberry Pi 4*"),
        board("other", by_name=True, model="Acme*"),
        board("common", model="Raspberry*"),
    )

    def choose(self, root: Path, wanted: str, own: Sequence[Board] = ()) -> BoardChoice:
        return choose_board(wanted, own, self.CARRIERS, facts_of(root), "kvmd.toml")

    def test_what_cannot_be_told_apart_is_what_all_have_in_common(self, root: Path) -> None:
        choice = self.choose(root, "auto")
        assert (name_of(choice.board), choice.alike) == ("common", ("one", "two"))

    def test_by_name(self, root: Path) -> None:
        choice = self.choose(root, "two")
        assert (choice.board, choice.why, choice.alike) == (self.CARRIERS[1], "named in kvmd.toml", ())

    def test_a_name_needs_no_fact(self, root: Path) -> None:
        assert name_of(self.choose(root, "other").board) == "other"

    def test_none(self, root: Path) -> None:
        choice = self.choose(root, "none")
        assert (choice.board, choice.why) == (None, 'board = "none" in kvmd.toml')

    def test_an_unknown_name(self, root: Path) -> None:
        with pytest.raises(ConfigError) as raised:
            self.choose(root, "three", [board("mine", model="x")])
        names = '"auto", "none", "common", "mine", "one", "other", "two"'
        assert str(raised.value) == f'kvmd.toml: board = "three" cannot be used; accepted: {names}'

    def test_the_administrator_goes_before_what_is_more_specific(self, root: Path) -> None:
        assert name_of(self.choose(root, "auto", [board("mine", model="*")]).board) == "mine"

    def test_the_administrator_replaces_a_board(self, root: Path) -> None:
        mine = board("common", model="Acme*")
        assert self.choose(root, "common", [mine]).board is mine
        assert self.choose(root, "auto", [mine]).board is None
        assert list(catalogue([mine], self.CARRIERS)) == ["common", "one", "two", "other"]
