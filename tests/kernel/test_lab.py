"""The guest is what the other tests take it for."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .dummy_hcd import DummyHcd
from .host_input import HostKeyboard
from .vivid import Vivid
from .waiting import eventually, patience, run, settle

GADGET = Path("/sys/kernel/config/usb_gadget/lab")
NAME = "Lab Keyboard"
# a boot keyboard, USB HID 1.11 appendix E.6
REPORT_DESCRIPTOR = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501050819012905910295017503"
    "91039506750815002565050719002965 8100c0"
)
FAILED_UNITS = Path("/run/kvmd-lab/failed-units")
KEY_A_DOWN = bytes([0, 0, 4, 0, 0, 0, 0, 0])
NO_KEYS = bytes(8)
CAPS_LOCK = 2

pytestmark = pytest.mark.usefixtures("units_masked")


@pytest.fixture
def gadget(dummy_hcd: DummyHcd) -> Iterator[Path]:
    """A keyboard on the cable, made by hand; gives its node."""
    function = GADGET / "functions/hid.0"
    link = GADGET / "configs/c.1/hid.0"
    for folder in (GADGET, GADGET / "strings/0x409", GADGET / "configs/c.1", function):
        folder.mkdir()
    for name, value in {
        "idVendor": "0x1d6b",
        "idProduct": "0x0104",
        "strings/0x409/product": NAME,
        "functions/hid.0/protocol": "1",
        "functions/hid.0/subclass": "1",
        "functions/hid.0/report_length": "8",
    }.items():
        (GADGET / name).write_text(value)
    (function / "report_desc").write_bytes(REPORT_DESCRIPTOR)
    link.symlink_to(function)
    (GADGET / "UDC").write_text(dummy_hcd.udc)
    number = (function / "dev").read_text().strip()
    settle()
    yield Path("/dev/char", number).resolve()
    if (GADGET / "UDC").read_text().strip():
        (GADGET / "UDC").write_text("\n")
    link.unlink()
    for folder in (function, GADGET / "configs/c.1", GADGET / "strings/0x409", GADGET):
        folder.rmdir()


def write(node: Path, report: bytes) -> None:
    handle = os.open(node, os.O_WRONLY)
    try:
        os.write(handle, report)
    finally:
        os.close(handle)


def test_systemd_is_pid_1() -> None:
    assert Path("/proc/1/comm").read_text() == "systemd\n"


def test_boot_left_no_failed_unit() -> None:
    assert FAILED_UNITS.read_text() == "", "as run.sh found them before the first test"


def test_udev_answers() -> None:
    run("udevadm", "control", "--ping")


def test_journal_is_kept_in_memory() -> None:
    run("logger", "--tag=lab", "hello, journal")
    assert eventually(lambda: run("journalctl", "--identifier=lab", "--output=cat"), "the entry") == "hello, journal\n"


def test_loopback_is_up() -> None:
    assert "127.0.0.1" in Path("/proc/net/fib_trie").read_text()


def test_uinput_is_there() -> None:
    run("modprobe", "uinput")
    assert Path("/dev/uinput").is_char_device()


def test_vivid_comes_goes_and_comes_back(vivid: Vivid) -> None:
    node = vivid.load()
    assert node.is_char_device()
    vivid.unbind()
    assert not node.exists()
    assert vivid.bind().is_char_device()


def test_vivid_loses_its_signal(vivid: Vivid) -> None:
    # input type 3 is HDMI
    node = vivid.load(num_inputs=1, input_types=3)
    assert "Active width" in run("v4l2-ctl", f"--device={node}", "--query-dv-timings")
    vivid.control("dv_timings_signal_mode", 1)
    with pytest.raises(RuntimeError, match="VIDIOC_QUERY_DV_TIMINGS"):
        run("v4l2-ctl", f"--device={node}", "--query-dv-timings")


def test_vivid_unloads_after_use(vivid: Vivid) -> None:
    node = vivid.load()
    vivid.unload()
    assert not node.exists()


def test_dummy_hcd_gives_a_controller(dummy_hcd: DummyHcd) -> None:
    assert dummy_hcd.udc == "dummy_udc.0"
    assert dummy_hcd.state() == "not attached"


def test_host_sees_the_keys_of_a_gadget(gadget: Path, host_keyboard: Callable[[str], HostKeyboard]) -> None:
    keyboard = host_keyboard(NAME)
    key_a = keyboard.codes.KEY_A
    write(gadget, KEY_A_DOWN)
    keyboard.wait_for((key_a, 1))
    assert keyboard.held() == {key_a}
    write(gadget, NO_KEYS)
    keyboard.wait_for((key_a, 1), (key_a, 0))
    assert keyboard.held() == set()


def test_kernel_uses_nothing_that_the_emulator_gets_wrong() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    assert "lm" in flags
    assert "cx16" not in flags


def test_host_loses_no_key_of_a_burst(gadget: Path, host_keyboard: Callable[[str], HostKeyboard]) -> None:
    keyboard = host_keyboard(NAME)
    # 60 reports are 180 events, and the kernel keeps 64
    for _ in range(30):
        write(gadget, KEY_A_DOWN)
        write(gadget, NO_KEYS)
    keyboard.wait_for(*[(keyboard.codes.KEY_A, 1), (keyboard.codes.KEY_A, 0)] * 30)


def test_gadget_hears_of_the_leds(gadget: Path, host_keyboard: Callable[[str], HostKeyboard]) -> None:
    keyboard = host_keyboard(NAME)
    with gadget.open("rb", buffering=0) as node:
        keyboard.set_led(keyboard.codes.LED_CAPSL, lit=True)
        # the host's first report, on enumeration, says that all are off
        eventually(lambda: node.read(1) == bytes([CAPS_LOCK]), "the LED report")
    assert keyboard.leds() == {keyboard.codes.LED_CAPSL}


def test_cable_can_be_pulled_and_put_back(
    dummy_hcd: DummyHcd, gadget: Path, host_keyboard: Callable[[str], HostKeyboard]
) -> None:
    keyboard = host_keyboard(NAME)
    assert dummy_hcd.state() == "configured"
    dummy_hcd.unplug()
    assert keyboard.gone.wait(patience())
    with pytest.raises(OSError, match="shutdown"):
        write(gadget, NO_KEYS)
    dummy_hcd.plug()
    again = host_keyboard(NAME)
    write(gadget, KEY_A_DOWN)
    again.wait_for((again.codes.KEY_A, 1))


@pytest.mark.usefixtures("gadget")
def test_controller_can_be_taken_away_and_brought_back(
    dummy_hcd: DummyHcd, host_keyboard: Callable[[str], HostKeyboard]
) -> None:
    keyboard = host_keyboard(NAME)
    dummy_hcd.remove()
    assert keyboard.gone.wait(patience())
    assert not list(Path("/sys/class/udc").iterdir())
    assert dummy_hcd.restore() == "dummy_udc.0"
    # Linux 5.19 and later bind the gadget again by themselves
    host_keyboard(NAME)
