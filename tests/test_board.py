"""Boards: read from TOML, and recognised from what the firmware says, recorded here as the kernel shows it."""

import pytest

from kvmd.board import Board, Facts, KnownBy, load_boards, read_facts, recognise
from kvmd.config import RoleSettings
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
def root(tmp_path):
    """A root folder with the files of a Raspberry Pi's firmware."""
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    (tree / "compatible").write_bytes(b"raspberrypi,4-model-b\0brcm,bcm2711\0")
    return tmp_path


@pytest.fixture
def pc(tmp_path):
    """A root folder with the files of a PC's firmware."""
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "product_name").write_text("Acme KVM Mini\n")
    return tmp_path


def board(name="acme", **known_by):
    return Board(name, name.title(), KnownBy(**known_by))


def test_load(tmp_path):
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


def test_no_folder(tmp_path):
    assert load_boards(tmp_path / "boards.d") == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "acme"', "", "name is missing; accepted: text"),
        ('[known_by]\nmodel = "Acme KVM*"', "", "known_by is missing; accepted: a table [known_by]"),
        ("model =", "modell =", "known_by.modell is not known; there are: compatible, model, product"),
        ('"Acme KVM*"', "7", "known_by.model = 7 cannot be used; accepted: text or not set"),
        ('"v4l2"', "2", "capture.driver = 2 cannot be used; accepted: text"),
        ("driver =", "quality = 50\ndriver =", "capture.quality is not known; there are: driver, options"),
        ("title =", "colour =", "colour is not known; there are: capture, hid, known_by, name, title"),
    ],
)
def test_wrong_boards_are_named(tmp_path, old, new, expected):
    path = tmp_path / "acme.toml"
    path.write_text(ACME.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load_boards(tmp_path)
    assert str(raised.value) == f"{path}: {expected}"


def test_facts_of_a_device_tree(root):
    assert read_facts(root) == Facts("Raspberry Pi 4 Model B Rev 1.4", ("raspberrypi,4-model-b", "brcm,bcm2711"))


def test_facts_of_a_pc(pc):
    assert read_facts(pc) == Facts(product="Acme KVM Mini")


def test_no_facts(tmp_path):
    assert read_facts(tmp_path) == Facts()


@pytest.mark.parametrize(
    ("known_by", "fits"),
    [
        ({"model": "Raspberry Pi 4 Model B*"}, True),
        ({"model": "Raspberry Pi 4 Model B"}, False),
        ({"compatible": "brcm,bcm2711"}, True),
        ({"compatible": "raspberrypi,4-model-b"}, True),
        ({"compatible": "brcm"}, False),
        ({"model": "Raspberry*", "compatible": "brcm,bcm2711"}, True),
        ({"model": "Raspberry*", "compatible": "brcm,bcm2712"}, False),
        ({"product": "Acme KVM Mini"}, False),
        ({"product": "*"}, False),
        ({"model": "Raspberry*", "product": "?*"}, False),
        ({"compatible": ""}, False),
        ({}, False),
    ],
)
def test_known_by_device_tree(root, known_by, fits):
    assert board(**known_by).known_by.fits(read_facts(root)) is fits


def test_known_by_dmi(pc):
    assert recognise([board("other", product="Acme KVM"), board(product="Acme KVM*")], read_facts(pc)).name == "acme"


def test_the_first_that_fits_wins(root):
    boards = [board("none"), board("first", model="Rasp*"), board("second", model="Rasp*")]
    assert recognise(boards, read_facts(root)).name == "first"


def test_nothing_fits(tmp_path):
    everything = [board(model="*"), board(compatible=""), board(product="*"), board()]
    assert recognise(everything, read_facts(tmp_path)) is None
