"""Descriptors, reports and the gadget's files; tests/kernel/test_usb_gadget.py has what needs a kernel."""

import fcntl
import os
import select
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from kvmd import (
    MAX_MEDIA_KEYS,
    AbsoluteMouseReport,
    ConsumerReport,
    Device,
    DriverError,
    HidOffline,
    KeyboardReport,
    RelativeMouseReport,
    Report,
    SystemReport,
)
from kvmd_drivers import usb_gadget
from kvmd_drivers.usb_gadget import UsbGadget, UsbGadgetOptions, _trouble, gadget
from kvmd_drivers.usb_gadget.commands import gadget_commands, machine_serial
from kvmd_drivers.usb_gadget.descriptors import CONSUMER_ID, FUNCTIONS, SYSTEM_ID, Function, encode

HEAD = bytes.fromhex("05010902a1010901a1000509190129051500250175019505810275039501810305010930 0931")
TAIL = bytes.fromhex("09381581257f750895018106050c0a38029501 8106c0c0")
DESCRIPTORS = {
    "keyboard": bytes.fromhex(
        "05010906a101050719e029e71500250175019508810275089501810305081901290575019505910275039501910305071900"
        "29e7150026e7007508950681 00c0"
    ),
    "absolute": HEAD + bytes.fromhex("150026ff7f751095028102") + TAIL,
    "relative": HEAD + bytes.fromhex("1581257f750895028106") + TAIL,
    "media": bytes.fromhex(
        "050c0901a101850119002aff03150026ff03751095048100c0 05010980a101850219812983150125037508950181 00c0"
    ),
}
INPUT, OUTPUT, REPORT_ID = 0x80, 0x90, 0x84
REPORT_IDS = (CONSUMER_ID, SYSTEM_ID)
GLOBALS = {0x04: "page", 0x14: "minimum", 0x24: "maximum", 0x74: "size", 0x94: "count"}
IDENTITY = gadget.Identity(serial="0123456789ab")


class Field(msgspec.Struct):
    """A main item of a report descriptor, with the globals that were in force."""

    kind: int
    report: int
    flags: int
    page: int
    minimum: int
    maximum: int
    size: int
    count: int
    usages: list[int]


def items(descriptor: bytes) -> Iterator[tuple[int, int, int]]:
    """Read short items: prefix without its size, unsigned and signed value (HID 1.11, section 6.2.2.2)."""
    at = 0
    while at < len(descriptor):
        size = (0, 1, 2, 4)[descriptor[at] & 3]
        data = descriptor[at + 1 : at + 1 + size]
        yield descriptor[at] & 0xFC, int.from_bytes(data, "little"), int.from_bytes(data, "little", signed=True)
        at += 1 + size
    assert at == len(descriptor)


def fields(descriptor: bytes) -> list[Field]:
    """Walk a report descriptor as a host does."""
    found: list[Field] = []
    state = dict.fromkeys(GLOBALS.values(), 0)
    usages: list[int] = []
    depth = report = 0
    for prefix, unsigned, signed in items(descriptor):
        if prefix == REPORT_ID:
            report = unsigned
        elif prefix in GLOBALS:
            state[GLOBALS[prefix]] = signed if prefix in {0x14, 0x24} else unsigned
        elif prefix in {0x08, 0x18, 0x28}:  # usage, usage minimum and maximum
            usages.append(unsigned)
        else:
            depth += {0xA0: 1, 0xC0: -1}.get(prefix, 0)
            if prefix in {INPUT, OUTPUT}:
                found.append(Field(kind=prefix, report=report, flags=unsigned, usages=usages, **state))
            usages = []
    assert depth == 0
    return found


def bits(descriptor: bytes, kind: int, report: int = 0) -> int:
    return sum(field.size * field.count for field in fields(descriptor) if (field.kind, field.report) == (kind, report))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_descriptor(function: Function) -> None:
    assert function.report_desc == DESCRIPTORS[function.name]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_descriptor_is_as_long_as_its_reports(function: Function) -> None:
    # With report ids, each report has its own length, and a byte more.
    reports = [0, *REPORT_IDS] if function.name == "media" else [0]
    lengths = [bits(function.report_desc, INPUT, report) // 8 + bool(report) for report in reports]
    assert max(lengths) == function.report_length
    assert bits(function.report_desc, OUTPUT) == (8 if function.leds else 0)
    assert len(function.report_desc) < 4096  # one page of configfs


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_numbers_of_every_field_fit_its_bits(function: Function) -> None:
    for field in fields(function.report_desc):
        if field.flags & 1:
            continue
        low, high = (0, 2**field.size - 1) if field.minimum >= 0 else (-(2 ** (field.size - 1)), 2 ** (field.size - 1))
        assert low <= field.minimum < field.maximum <= high


def test_keyboard_knows_every_key_of_its_page() -> None:
    keys = fields(FUNCTIONS[0].report_desc)[-1]
    assert (keys.page, keys.minimum, keys.maximum, keys.usages) == (7, 0, 0xE7, [0, 0xE7])


def test_interfaces_are_those_that_firmware_knows() -> None:
    assert [(f.name, f.protocol, f.subclass, f.report_length) for f in FUNCTIONS] == [
        ("keyboard", 1, 1, 8),
        ("absolute", 0, 0, 7),
        ("relative", 2, 1, 5),
        ("media", 0, 0, 9),
    ]


def test_media_keys_are_those_of_both_pages() -> None:
    consumer, system = fields(FUNCTIONS[3].report_desc)
    assert (consumer.page, consumer.report, consumer.usages) == (0x0C, CONSUMER_ID, [0, 0x3FF])
    assert (consumer.count, consumer.size) == (MAX_MEDIA_KEYS, 16)
    assert (system.page, system.report, system.usages) == (0x01, SYSTEM_ID, [0x81, 0x83])


@pytest.mark.parametrize(
    ("report", "wire"),
    [
        (KeyboardReport(), "00 00 000000000000"),
        (KeyboardReport(keys=(4,)), "00 00 040000000000"),
        (KeyboardReport(0x85, (4, 5, 0x68, 0x87, 0x90, 0xE7)), "85 00 0405688790e7"),
        (KeyboardReport(0x02, (4, 5, 6, 7, 8, 9, 10)), "02 00 010101010101"),
        (AbsoluteMouseReport(), "00 0000 0000 00 00"),
        (AbsoluteMouseReport(1, 32767, 1, -1, 2), "01 ff7f 0100 ff 02"),
        (AbsoluteMouseReport(0xFF, 65536, -1, 1000, -1000), "1f ff7f 0000 7f 81"),
        (RelativeMouseReport(), "00 00 00 00 00"),
        (RelativeMouseReport(0x1F, 127, -127, 1, -1), "1f 7f 81 01 ff"),
        (RelativeMouseReport(0, 1000, -1000), "00 7f 81 00 00"),
        (ConsumerReport(), "01 0000 0000 0000 0000"),
        (ConsumerReport((0xE2, 0x22A)), "01 e200 2a02 0000 0000"),
        (SystemReport(), "02 00"),
        (SystemReport(0x81), "02 01"),
        (SystemReport(0x83), "02 03"),
    ],
)
def test_report(report: Report, wire: str) -> None:
    assert encode(report) == bytes.fromhex(wire)


def test_words_for_the_host_s_states() -> None:
    assert _trouble("configured", wakes=False) is None
    assert _trouble("suspended", wakes=True) is None
    assert _trouble("suspended", wakes=False) == "the host sleeps (controller state: suspended)"
    assert _trouble("reconnecting", wakes=True) == "the host takes no reports (controller state: reconnecting)"


@pytest.fixture
def paths(tmp_path: Path) -> gadget.Paths:
    """Folders that stand for configfs, sysfs and /dev, with one controller."""
    there = gadget.Paths(tmp_path / "config", tmp_path / "udc", tmp_path / "char", tmp_path / "dev")
    there.gadget("").mkdir(parents=True)
    add_controller(there, "fe980000.usb")
    return there


def add_controller(paths: gadget.Paths, name: str) -> None:
    (paths.udc / name).mkdir(parents=True)
    (paths.udc / name / "state").write_text("configured\n")
    (paths.udc / name / "uevent").write_text(f"USB_UDC_NAME={name}\n")


def at_work(paths: gadget.Paths) -> None:
    """Add what the kernel adds once a gadget is bound."""
    for number, function in enumerate(sorted(paths.gadget("kvmd").glob("functions/*"))):
        (function / "dev").write_text(f"236:{number}\n")
        node = paths.char / f"236:{number}"
        node.mkdir(parents=True)
        (node / "uevent").write_text(f"MAJOR=236\nMINOR={number}\nDEVNAME=hidg{number + 3}\n")


def test_files_of_a_gadget(paths: gadget.Paths) -> None:
    assert gadget.up(gadget.Plan(identity=IDENTITY), paths=paths) == []
    root = paths.gadget("kvmd")
    texts = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    descriptors = {f"functions/hid.{f.name}/report_desc": f.report_desc for f in FUNCTIONS}
    assert texts == descriptors | {
        name: value.encode()
        for name, value in {
            "UDC": "fe980000.usb",
            "idVendor": "0x1d6b",
            "idProduct": "0x0104",
            "bcdDevice": "0x0101",
            "bcdUSB": "0x0200",
            "strings/0x409/manufacturer": "kvmd-hal",
            "strings/0x409/product": "Keyboard and mouse",
            "strings/0x409/serialnumber": "0123456789ab",
            "configs/c.1/bmAttributes": "0xa0",
            "configs/c.1/MaxPower": "100",
            "configs/c.1/strings/0x409/configuration": "Keyboard and mouse",
            "functions/hid.keyboard/protocol": "1",
            "functions/hid.keyboard/subclass": "1",
            "functions/hid.keyboard/report_length": "8",
            "functions/hid.absolute/protocol": "0",
            "functions/hid.absolute/subclass": "0",
            "functions/hid.absolute/report_length": "7",
            "functions/hid.relative/protocol": "2",
            "functions/hid.relative/subclass": "1",
            "functions/hid.relative/report_length": "5",
            "functions/hid.media/protocol": "0",
            "functions/hid.media/subclass": "0",
            "functions/hid.media/report_length": "9",
        }.items()
    }
    links = {path.name for path in (root / "configs/c.1").iterdir() if path.is_symlink()}
    assert links == {"hid.keyboard", "hid.absolute", "hid.relative", "hid.media"}


def test_files_that_this_kernel_has_not_are_left_alone_and_the_others_come_first(paths: gadget.Paths) -> None:
    folder = paths.gadget("kvmd")
    keyboard, mouse = (folder / "functions" / function.folder for function in FUNCTIONS[:2])
    for function in (keyboard, mouse):
        function.mkdir(parents=True)
        (function / "no_out_endpoint").touch()
    (keyboard / "wakeup_on_write").touch()
    written = dict(gadget._attributes(gadget.Plan(identity=IDENTITY, wakeup_on_write=True), folder))
    names = [name.removeprefix("functions/hid.") for name in written if name.startswith("functions/")]
    assert names[:6] == [
        f"keyboard/{name}"
        for name in ("no_out_endpoint", "wakeup_on_write", "protocol", "subclass", "report_length", "report_desc")
    ]
    assert names[6:8] == ["absolute/no_out_endpoint", "absolute/protocol"]
    assert written["functions/hid.keyboard/no_out_endpoint"] == b"0"
    assert written["functions/hid.keyboard/wakeup_on_write"] == b"1"
    assert written["functions/hid.absolute/no_out_endpoint"] == b"1"


def test_gadget_at_work_is_found_and_adopted(paths: gadget.Paths) -> None:
    plan = gadget.Plan(identity=IDENTITY)
    gadget.up(plan, paths=paths)
    assert not gadget.adoptable(plan, "fe980000.usb", paths)  # bound on paper; no nodes
    at_work(paths)
    assert gadget.adoptable(plan, "fe980000.usb", paths)
    assert gadget.up(plan, paths=paths) == []
    found = gadget.find("kvmd", paths)
    nodes = {
        name: str(paths.dev / f"hidg{3 + i}") for i, name in enumerate(("absolute", "keyboard", "media", "relative"))
    }
    assert found == gadget.Found("kvmd", "fe980000.usb", "configured", nodes)


@pytest.mark.parametrize(
    "other",
    [
        gadget.Plan(identity=msgspec.structs.replace(IDENTITY, version=0x0102)),
        gadget.Plan(identity=IDENTITY, functions=FUNCTIONS[:2]),
        gadget.Plan(identity=IDENTITY, functions=[msgspec.structs.replace(FUNCTIONS[0], report_desc=b"\x05\x01")]),
    ],
)
def test_gadget_that_is_not_the_planned_one_is_not_adopted(paths: gadget.Paths, other: gadget.Plan) -> None:
    gadget.up(gadget.Plan(identity=IDENTITY), paths=paths)
    at_work(paths)
    assert not gadget.adoptable(other, "fe980000.usb", paths)


def test_gadget_whose_controller_is_gone_has_none(paths: gadget.Paths) -> None:
    gadget.up(gadget.Plan(identity=IDENTITY), paths=paths)
    (paths.udc / "fe980000.usb").rename(paths.udc / "ff000000.usb")
    assert gadget.find("kvmd", paths) == gadget.Found("kvmd", None, None, {})
    assert gadget.find("other", paths) is None


def test_free_controller_is_chosen(paths: gadget.Paths) -> None:
    (paths.udc / "fe980000.usb" / "uevent").write_text("USB_UDC_NAME=fe980000.usb\nUSB_UDC_DRIVER=g_ether\n")
    add_controller(paths, "ff000000.usb")
    gadget.up(gadget.Plan(), paths=paths)
    assert gadget.holder("ff000000.usb", paths) == "kvmd"


def test_controller_that_is_held_is_named_with_its_gadget(paths: gadget.Paths) -> None:
    (paths.udc / "fe980000.usb" / "uevent").write_text("USB_UDC_DRIVER=configfs-gadget.g1\n")
    with pytest.raises(DriverError, match=r"fe980000.usb is held by the gadget g1; remove that gadget first"):
        gadget.up(gadget.Plan(), paths=paths)


def test_no_controller(paths: gadget.Paths) -> None:
    (paths.udc / "fe980000.usb").rename(paths.dev)
    with pytest.raises(DriverError, match=r"no USB device controller in /sys/class/udc: .*peripheral mode"):
        gadget.up(gadget.Plan(), paths=paths)


def test_options_select_the_controller() -> None:
    udc = Device("udc", "fe980000.usb")
    assert UsbGadgetOptions().selects(udc)
    assert UsbGadgetOptions(udc="fe980000.usb").selects(udc)
    assert not UsbGadgetOptions(udc="ff000000.usb").selects(udc)


def test_serial_number_is_the_machine_s_and_does_not_tell_its_id(tmp_path: Path) -> None:
    machine = tmp_path / "machine-id"
    machine.write_text("6b766d642d68616c2d6b65726e656c00\n")
    assert machine_serial(machine) == machine_serial(machine)
    assert machine_serial(machine) not in {machine_serial(tmp_path / "none"), machine.read_text()[:12]}


def test_usb_ids_are_hexadecimal() -> None:
    result = CliRunner().invoke(gadget_commands, ["up", "--vendor-id=xyz"])
    assert result.exit_code == 2
    assert "no number from 0000 to ffff" in result.output


def test_only_root_may_change_a_gadget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for command in ("up", "down"):
        with pytest.raises(DriverError, match=f"sudo kvmd gadget {command}"):
            CliRunner().invoke(gadget_commands, [command], catch_exceptions=False)


def test_report_lengths_are_those_of_the_encoders() -> None:
    reports = (KeyboardReport(), AbsoluteMouseReport(), RelativeMouseReport(), ConsumerReport())
    assert [len(encode(report)) for report in reports] == [function.report_length for function in FUNCTIONS]
    assert struct.calcsize("<BHHbb") == 7


class HeldNode:
    """A node as real controllers have it: a packet pipe with room for the one report that the host has not asked for.

    dummy_hcd takes one report into a buffer of its own, and hides what happens meanwhile.
    """

    def __init__(self, path: Path, driver: UsbGadget, function: str) -> None:
        self._host = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fd = driver._nodes[function].fd
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_DIRECT)

    def ask(self) -> bytes:
        """Take the report, as the host does when it polls."""
        return os.read(self._host, 64)

    def ask_soon(self, times: int) -> threading.Thread:
        """Poll as a host does, until so many reports have come."""
        thread = threading.Thread(target=self._ask_all, args=(times,))
        thread.start()
        return thread

    def _ask_all(self, times: int) -> None:
        for _ in range(times):
            select.select([self._host], [], [])
            self.ask()

    def close(self) -> None:
        os.close(self._host)


@pytest.fixture
def bound(paths: gadget.Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[UsbGadget, HeldNode, HeldNode]]:
    """The driver, with a keyboard and a relative mouse that its host has yet to ask."""
    nodes = {name: paths.dev / name for name in ("keyboard", "relative")}
    paths.dev.mkdir()
    for node in nodes.values():
        os.mkfifo(node)
    monkeypatch.setattr(gadget, "SYSTEM", paths)
    monkeypatch.setattr(usb_gadget, "_find", lambda *_: ("fe980000.usb", {name: str(nodes[name]) for name in nodes}))
    hid = UsbGadget(UsbGadgetOptions(timeout=0.2), None)
    hid.open()
    keyboard, mouse = (HeldNode(path, hid, name) for name, path in nodes.items())
    yield hid, keyboard, mouse
    hid.close()
    keyboard.close()
    mouse.close()


def test_mouse_that_was_stuck_works_once_the_host_asks_it(bound: tuple[UsbGadget, HeldNode, HeldNode]) -> None:
    hid, keyboard, mouse = bound
    for _ in range(2):
        with pytest.raises(HidOffline, match=r"took no report for 0.2 s.*relative mouse"):
            hid.send(RelativeMouseReport(dx=5))
    typed = keyboard.ask_soon(1)
    hid.send(KeyboardReport(keys=(4,)))
    typed.join()
    assert mouse.ask() == encode(RelativeMouseReport(dx=5))
    moved = mouse.ask_soon(2)
    hid.send(RelativeMouseReport(dx=6))
    hid.send(RelativeMouseReport(dx=7))
    moved.join()


def test_stuck_mouse_waits_for_nothing(
    bound: tuple[UsbGadget, HeldNode, HeldNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    hid, _, _ = bound
    waited: list[float] = []
    wait = usb_gadget._wait

    def noting(wanted: Mapping[int, int], timeout: float) -> dict[int, int]:
        waited.append(max(0.0, timeout))
        return wait(wanted, timeout)

    monkeypatch.setattr(usb_gadget, "_wait", noting)
    for _ in range(3):
        with pytest.raises(HidOffline):
            hid.send(RelativeMouseReport(dx=5))
    assert len([seconds for seconds in waited if seconds]) == 1, "the first report alone is waited for"


def test_functions_that_the_gadget_lacks_are_told(bound: tuple[UsbGadget, HeldNode, HeldNode]) -> None:
    remarks = bound[0].status().remarks
    assert [remark.partition(":")[0] for remark in remarks] == ["no absolute mouse", "no media and power keys"]
    assert all("`kvmd gadget up` as root" in remark for remark in remarks)
