"""The usb_gadget driver on dummy_hcd: real configfs, a real controller's state, and Linux as the host."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from kvmd import (
    AbsoluteMouseReport,
    Capability,
    ConsumerReport,
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    HidDriver,
    HidOffline,
    KeyboardReport,
    Leds,
    RelativeMouseReport,
    Unsupported,
)
from kvmd.testing import HidConformance
from kvmd_drivers import usb_gadget
from kvmd_drivers.usb_gadget import UsbGadget, UsbGadgetOptions, gadget
from kvmd_drivers.usb_gadget.commands import gadget_commands
from kvmd_drivers.usb_gadget.descriptors import FUNCTIONS, KEYBOARD

from .dummy_hcd import DummyHcd
from .host_input import EV_KEY, EV_REL, HostKeyboard, HostMouse, Input
from .waiting import eventually, patience, run, settle

NAME = "Keyboard and mouse"  # the gadget's own strings are what the host calls its inputs
CONFIGFS = Path("/sys/kernel/config/usb_gadget")
HOST_DEVICES = Path("/sys/bus/usb/devices")
ETC = Path(__file__).parents[2] / "etc"
USBHID = Path("/sys/bus/usb/drivers/usbhid")

PRESS_A, RELEASE = KeyboardReport(keys=(4,)), KeyboardReport()
KEY_A, KEY_B, KEY_F13, KEY_RO, KEY_HANGEUL, KEY_RIGHTMETA = 30, 48, 183, 89, 122, 126
LED_CAPSL = 1

Keyboard = Callable[[str], HostKeyboard]
Mouse = Callable[[str, bool], HostMouse]

pytestmark = pytest.mark.usefixtures("units_masked")


def kvmd(*arguments: str) -> Result:
    """Run ``kvmd gadget …``."""
    return CliRunner().invoke(gadget_commands, arguments, catch_exceptions=False)


@pytest.fixture(scope="module")
def dummy_hcd() -> Iterator[DummyHcd]:
    """The controller for all tests of this module: to load it takes longer than most of them."""
    controller = DummyHcd()
    controller.load()
    yield controller
    controller.unload()


@pytest.fixture
def udc(dummy_hcd: DummyHcd) -> Iterator[str]:
    """A controller without a gadget and with its cable in; the gadgets that a test makes are removed."""
    gadget.load_modules()
    dummy_hcd.plug()
    yield dummy_hcd.udc
    for folder in CONFIGFS.iterdir():
        gadget.down(folder.name)
    forgotten()


@pytest.fixture
def made(udc: str) -> str:
    """A gadget that its host has accepted."""
    assert kvmd("up").exit_code == 0
    accepted()
    return udc


@pytest.fixture
def driver(made: str) -> Iterator[UsbGadget]:
    """The driver, open."""
    hid = opened(udc=made)
    yield hid
    hid.close()


def opened(**options: Any) -> UsbGadget:
    hid = UsbGadget(UsbGadgetOptions(**options), None)
    hid.open()
    return hid


def accepted() -> None:
    """Wait until the host has taken the gadget into use; the controller's state may still be that of an earlier one."""
    eventually(bound_to_usbhid, "the host to accept the gadget")
    eventually(lambda: kvmd("status").output.splitlines()[0].endswith("configured"), "the state to be configured")


def forgotten() -> None:
    """Wait until the host knows no gadget any more."""
    eventually(lambda: not host_devices(), "the host to forget the gadget")


def bound_to_usbhid() -> bool:
    return any(list(device.glob("*/0003:*/input/input*/event*")) for device in host_devices())


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every wait of the driver: one that spins waits without end."""
    counted: list[int] = []
    wait: Callable[[Any, float], dict[int, int]] = usb_gadget._wait

    def counting(wanted: Any, timeout: float) -> dict[int, int]:
        counted.append(len(counted))
        return wait(wanted, timeout)

    monkeypatch.setattr(usb_gadget, "_wait", counting)
    return counted


def watch_until_back(hid: UsbGadget) -> None:
    def back() -> bool:
        with contextlib.suppress(HidOffline):
            hid.watch(1)
            return True
        return False

    eventually(back, "watch() to say that the host is back")


def host_devices() -> list[Path]:
    """The gadget on the host's side of the bus."""
    return [path.parent for path in HOST_DEVICES.glob("*/manufacturer") if path.read_text().strip() == "kvmd-hal"]


def host_device() -> Path:
    [device] = host_devices()
    return device


def interface(protocol: str) -> str:
    """The host's name for the gadget's interface: 01 keyboard, 02 relative mouse, 00 absolute mouse."""
    return next(p.parent.name for p in host_device().glob("*/bInterfaceProtocol") if p.read_text().strip() == protocol)


def inode(function: str = "keyboard") -> int:
    return Path(gadget.gadget_nodes("kvmd")[function]).stat().st_ino


def test_gadget_has_its_functions_with_their_nodes(made: str) -> None:
    found = gadget.find("kvmd")
    assert found is not None
    assert (found.udc, found.state) == (made, "configured")
    assert sorted(found.nodes) == ["absolute", "keyboard", "media", "relative"]
    for function, node in found.nodes.items():
        numbers = (CONFIGFS / "kvmd/functions" / f"hid.{function}" / "dev").read_text().strip()
        status = Path(node).stat()
        assert f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" == numbers


@pytest.mark.usefixtures("made")
def test_status_is_for_programs_too() -> None:
    assert '"state":"configured"' in kvmd("status", "--json").output
    assert '"udc":null' in kvmd("status", "--json", "--name=other").output


def test_capabilities_are_those_of_the_functions(driver: UsbGadget) -> None:
    assert driver.capabilities == ~Capability(0)
    assert driver.status().remarks == ()


@pytest.mark.usefixtures("udc")
def test_functions_can_be_left_out() -> None:
    assert kvmd("up", "--without=relative", "--without=absolute", "--without=media").exit_code == 0
    accepted()
    hid = opened()
    assert hid.capabilities == Capability.KEYBOARD | Capability.LEDS
    lacking = [remark.partition(":")[0] for remark in hid.status().remarks]
    assert lacking == ["no absolute mouse", "no relative mouse", "no media and power keys"]
    hid.close()


@pytest.mark.usefixtures("made")
def test_gadget_left_by_a_killed_daemon_is_adopted() -> None:
    before = inode()
    assert kvmd("up").exit_code == 0
    assert inode() == before


@pytest.mark.parametrize("change", [("--product=Another",), ("--device-version=0200",), ("--without=relative",)])
@pytest.mark.usefixtures("made")
def test_gadget_that_differs_is_rebuilt(change: tuple[str, ...]) -> None:
    before = inode()
    assert kvmd("up", *change).exit_code == 0
    assert inode() != before
    accepted()


@pytest.mark.usefixtures("udc")
def test_half_made_gadget_is_rebuilt(host_keyboard: Keyboard) -> None:
    (CONFIGFS / "kvmd/functions/hid.keyboard").mkdir(parents=True)
    (CONFIGFS / "kvmd/configs/c.1").mkdir()
    (CONFIGFS / "kvmd/configs/c.1/hid.keyboard").symlink_to(CONFIGFS / "kvmd/functions/hid.keyboard")
    assert kvmd("up").exit_code == 0
    accepted()
    types_a(host_keyboard)


@pytest.mark.usefixtures("made")
def test_unbound_gadget_is_rebuilt(host_keyboard: Keyboard) -> None:
    (CONFIGFS / "kvmd/UDC").write_text("\n")
    forgotten()
    assert kvmd("up").exit_code == 0
    accepted()
    types_a(host_keyboard)


@pytest.mark.usefixtures("made")
def test_down_leaves_nothing_and_up_works_again(host_keyboard: Keyboard) -> None:
    nodes = gadget.gadget_nodes("kvmd").values()
    assert kvmd("down").exit_code == 0
    assert not (CONFIGFS / "kvmd").exists()
    assert not any(Path(node).exists() for node in nodes)
    assert "there is no gadget" in kvmd("down").output
    forgotten()
    assert kvmd("up").exit_code == 0
    accepted()
    types_a(host_keyboard)


def test_controller_that_another_gadget_holds_is_refused_and_named(udc: str) -> None:
    gadget.up(gadget.Plan("other"))
    with pytest.raises(DriverError, match=f"{udc} is held by the gadget other"):
        kvmd("up")
    with pytest.raises(DriverError, match=f"{udc} carries the gadget other, not kvmd"):
        opened()


def test_controller_that_is_not_there_is_refused(udc: str) -> None:
    with pytest.raises(DriverError, match=rf"no USB device controller fe980000.usb; there are: {udc}"):
        kvmd("up", "--udc=fe980000.usb")
    with pytest.raises(DeviceAbsent, match="no USB device controller fe980000"):
        opened(udc="fe980000.usb")


@pytest.mark.usefixtures("udc")
def test_function_without_room_is_left_out_and_told() -> None:
    # The kernel has four nodes for HID functions; a gadget that is bound to nothing takes two.
    for number in (1, 2):
        (CONFIGFS / f"other/functions/hid.{number}").mkdir(parents=True)
    assert "no room for: relative mouse, media and power keys" in kvmd("up").stderr
    assert sorted(gadget.gadget_nodes("kvmd")) == ["absolute", "keyboard"]


def test_functions_without_endpoints_are_left_out_and_told(monkeypatch: pytest.MonkeyPatch, udc: str) -> None:
    make = gadget._make

    def make_crowded(path: Path) -> None:
        """Beside the keyboard, have five serial ports in the gadget: they leave two interrupt endpoints to us."""
        make(path)
        if path.name == "hid.keyboard":
            for number in range(5):
                port = path.with_name(f"acm.{number}")
                port.mkdir()
                (CONFIGFS / "kvmd" / gadget.CONFIGURATION / port.name).symlink_to(port)

    monkeypatch.setattr(gadget, "_make", make_crowded)
    assert "no room for: relative mouse, media and power keys" in kvmd("up").stderr
    accepted()
    hid = opened(udc=udc)
    assert hid.capabilities == Capability.KEYBOARD | Capability.LEDS | Capability.ABSOLUTE_MOUSE
    with pytest.raises(Unsupported, match="has no function for CONSUMER_CONTROL"):
        hid.send(ConsumerReport((0xE2,)))
    lacking = [remark.partition(":")[0] for remark in hid.status().remarks]
    assert lacking == ["no relative mouse", "no media and power keys"]
    hid.close()


def test_gadget_of_an_older_version_works_with_what_it_has(udc: str, host_keyboard: Keyboard) -> None:
    older = gadget.Identity(version=0x0100)
    gadget.up(gadget.Plan(identity=older, functions=FUNCTIONS[:3]))
    accepted()
    types_a(host_keyboard)
    hid = opened(udc=udc)
    assert Capability.CONSUMER_CONTROL not in hid.capabilities
    [remark] = hid.status().remarks
    assert remark.startswith("no media and power keys: ")
    hid.close()
    assert kvmd("up").exit_code == 0
    assert "media" in gadget.gadget_nodes("kvmd")


def test_open_without_a_gadget_says_what_to_do(udc: str) -> None:
    with pytest.raises(DriverError, match=f"no gadget on {udc}: run 'kvmd gadget up' as root"):
        opened()


@pytest.mark.usefixtures("udc")
def test_open_refuses_reports_of_another_version() -> None:
    older = msgspec.structs.replace(FUNCTIONS[0], report_desc=KEYBOARD.replace(b"\x26\xe7\x00", b"\x26\x65\x00"))
    gadget.up(gadget.Plan(functions=[older]))
    with pytest.raises(DriverError, match="has other reports for keyboard"):
        opened()


@pytest.mark.usefixtures("made")
def test_node_that_may_not_be_opened_names_the_group_and_needs_no_root() -> None:
    nodes = [Path(node) for node in gadget.gadget_nodes("kvmd").values()]
    settle()  # udev gives them their mode, too
    for node in nodes:
        node.chmod(0o600)
    with as_nobody(), pytest.raises(DriverError, match="group kvmd"):
        opened()
    for node in nodes:
        node.chmod(0o666)
    with as_nobody():
        hid = opened()
        hid.send(PRESS_A)
        hid.send(RELEASE)
        hid.close()


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def plugged(host_keyboard: Keyboard) -> HostKeyboard:
    """Open the keyboard on the host, which may still be forgetting an earlier one."""

    def find() -> HostKeyboard | None:
        with contextlib.suppress(OSError):
            return host_keyboard(NAME)
        return None

    return eventually(find, "a keyboard that works")


def types_a(host_keyboard: Keyboard) -> None:
    hid = opened()
    keyboard = plugged(host_keyboard)
    hid.send(PRESS_A)
    hid.send(RELEASE)
    keyboard.wait_for((KEY_A, 1), (KEY_A, 0))
    hid.close()


def test_keys_arrive_also_those_beyond_the_boot_keyboard(driver: UsbGadget, host_keyboard: Keyboard) -> None:
    keyboard = plugged(host_keyboard)
    for report in (KeyboardReport(0x80, (0x04, 0x68)), RELEASE, KeyboardReport(keys=(0x87, 0x90)), RELEASE):
        driver.send(report)
    eventually(lambda: len(keyboard.presses()) == 10, "ten events")
    pressed = {code for code, value in keyboard.presses() if value}
    assert pressed == {KEY_RIGHTMETA, KEY_A, KEY_F13, KEY_RO, KEY_HANGEUL}
    assert not keyboard.held()


def test_every_report_of_a_burst_arrives_in_order(driver: UsbGadget, host_keyboard: Keyboard) -> None:
    keyboard = plugged(host_keyboard)
    wanted = [(KEY_A, 1), (KEY_A, 0), (KEY_B, 1), (KEY_B, 0)]
    for count in range(1, 31):
        for usages in ((4,), (5,), ()):
            driver.send(KeyboardReport(keys=usages))
        if count % 10 == 0:  # the host's reader must keep up: its kernel holds 64 events
            keyboard.wait_for(*wanted * count)


@pytest.mark.parametrize("place", [(32767, 32767), (0, 32767), (32767, 0), (0, 0), (16384, 1)])
def test_absolute_positions_arrive(driver: UsbGadget, host_mouse: Mouse, place: tuple[int, int]) -> None:
    mouse = host_mouse(NAME, True)
    driver.send(AbsoluteMouseReport(x=1000, y=1000))
    driver.send(AbsoluteMouseReport(x=place[0], y=place[1]))
    eventually(lambda: mouse.place() == place, f"the pointer at {place}")
    assert mouse.device.absinfo(mouse.codes.ABS_X).max == 32767


def test_buttons_and_wheels_of_the_absolute_mouse(driver: UsbGadget, host_mouse: Mouse) -> None:
    mouse = host_mouse(NAME, True)
    driver.send(AbsoluteMouseReport(buttons=0x1F, wheel=-1, hwheel=2))
    driver.send(AbsoluteMouseReport())
    keys = [
        mouse.codes.BTN_LEFT,
        mouse.codes.BTN_RIGHT,
        mouse.codes.BTN_MIDDLE,
        mouse.codes.BTN_SIDE,
        mouse.codes.BTN_EXTRA,
    ]
    wheels = (Input(EV_REL, mouse.codes.REL_WHEEL, -1), Input(EV_REL, mouse.codes.REL_HWHEEL, 2))
    mouse.wait_for_all(*[Input(EV_KEY, key, value) for key in keys for value in (1, 0)], *wheels)


def test_relative_moves_arrive(driver: UsbGadget, host_mouse: Mouse) -> None:
    mouse = host_mouse(NAME, False)
    driver.send(RelativeMouseReport(buttons=1, dx=127, dy=-127, wheel=1, hwheel=-1))
    driver.send(RelativeMouseReport())
    codes = mouse.codes
    moves = [(codes.REL_X, 127), (codes.REL_Y, -127), (codes.REL_WHEEL, 1), (codes.REL_HWHEEL, -1)]
    clicks = [Input(EV_KEY, codes.BTN_LEFT, value) for value in (1, 0)]
    mouse.wait_for_all(*[Input(EV_REL, code, value) for code, value in moves], *clicks)


def lamp_is(hid: UsbGadget, lit: bool) -> bool:
    hid.watch(1)
    return bool(hid.status().leds == Leds(caps=lit))


def test_leds_come_back_without_spinning(driver: UsbGadget, host_keyboard: Keyboard, waits: list[int]) -> None:
    keyboard = plugged(host_keyboard)
    for lit in (True, False, True):
        keyboard.set_led(LED_CAPSL, lit)
        eventually(partial(lamp_is, driver, lit), f"caps lock {lit}")
    assert driver.status().leds == Leds(caps=True)
    waits.clear()
    assert driver.watch(1) is False
    assert len(waits) == 1


def test_pulled_cable_is_told_and_watch_waits_for_the_host(
    driver: UsbGadget, dummy_hcd: DummyHcd, host_keyboard: Keyboard, waits: list[int]
) -> None:
    assert driver.status().host_connected
    driver.watch(0)
    watched: list[str] = []

    def watch() -> None:
        while not watched:
            try:
                driver.watch(1)
            except HidOffline as error:
                watched.append(str(error))

    thread = threading.Thread(target=watch)
    thread.start()
    dummy_hcd.unplug()
    thread.join()
    # The state stays configured, so the node alone tells.
    gone = "no host uses the keyboard: it is off, or the cable is out (controller state: configured)"
    assert watched == [gone]
    with pytest.raises(HidOffline, match="the host took no report"):
        driver.send(PRESS_A)
    waits.clear()
    with pytest.raises(HidOffline, match="the host took no report"):
        driver.watch(1)
    with pytest.raises(HidOffline, match="the host took no report"):
        driver.watch(1)
    assert len(waits) <= 5
    dummy_hcd.plug()
    watch_until_back(driver)
    keyboard = plugged(host_keyboard)
    driver.send(PRESS_A)
    driver.send(RELEASE)
    keyboard.wait_for((KEY_A, 1), (KEY_A, 0))


def test_report_that_is_dropped_with_the_cable_is_an_error(made: str, dummy_hcd: DummyHcd) -> None:
    hid = opened(udc=made, timeout=10)
    (USBHID / "unbind").write_text(interface("01"))
    hid.send(PRESS_A)  # into the one-report FIFO that dummy_hcd has
    sent: list[str] = []

    def send() -> None:
        try:
            hid.send(RELEASE)
            sent.append("taken")
        except HidOffline as error:
            sent.append(str(error))

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(1)  # the report is with the controller, nobody asks for it
    dummy_hcd.unplug()
    thread.join()
    assert sent[0].startswith("the host took no report")
    hid.close()


@pytest.mark.usefixtures("made")
def test_mouse_that_the_host_does_not_ask_is_an_error_and_the_keyboard_works(
    host_keyboard: Keyboard, host_mouse: Mouse
) -> None:
    hid = opened(timeout=0.5)
    keyboard = plugged(host_keyboard)
    name = interface("02")
    (USBHID / "unbind").write_text(name)  # firmware that knows no mouse does not ask it either
    hid.send(RelativeMouseReport(dx=5))  # into the one-report FIFO that dummy_hcd has
    for _ in range(2):
        with pytest.raises(HidOffline, match=r"took no report for 0.5 s.*relative mouse.*configured"):
            hid.send(RelativeMouseReport(dx=5))
    hid.watch(0)
    hid.send(PRESS_A)
    hid.send(RELEASE)
    keyboard.wait_for((KEY_A, 1), (KEY_A, 0))
    (USBHID / "bind").write_text(name)
    mouse = host_mouse(NAME, False)
    eventually(hid._nodes["relative"].writable, "the host to take the old report")
    hid.send(RelativeMouseReport(dx=7))
    mouse.wait_for_all(Input(EV_REL, mouse.codes.REL_X, 7))
    hid.close()


@pytest.mark.usefixtures("made")
def test_keyboard_that_the_host_does_not_ask_is_offline_until_it_does(
    host_keyboard: Keyboard, waits: list[int]
) -> None:
    hid = opened(timeout=0.5)
    name = interface("01")
    (USBHID / "unbind").write_text(name)
    hid.send(PRESS_A)  # into the one-report FIFO that dummy_hcd has
    with pytest.raises(HidOffline, match=r"the host took no report for 0.5 s.*keyboard.*configured"):
        hid.send(PRESS_A)
    with pytest.raises(HidOffline, match="took no report"):
        hid.watch(0)
    waits.clear()
    with pytest.raises(HidOffline, match="took no report"):
        hid.watch(1)
    assert len(waits) <= 3
    (USBHID / "bind").write_text(name)
    keyboard = plugged(host_keyboard)
    watch_until_back(hid)
    hid.send(RELEASE)
    eventually(lambda: not keyboard.held(), "the key to be released")
    keyboard.clear()
    hid.send(KeyboardReport(keys=(5,)))
    hid.send(RELEASE)
    keyboard.wait_for((KEY_B, 1), (KEY_B, 0))
    hid.close()


def send_all(hid: UsbGadget, reports: Iterable[KeyboardReport]) -> None:
    for report in reports:
        hid.send(report)


def sleeps(use: Callable[[], object]) -> bool:
    """Tell whether a use of the gadget is refused since the host sleeps."""
    try:
        use()
    except HidOffline as error:
        return "it sleeps" in str(error)
    return False


def stays_suspended(power: Path) -> bool:
    for _ in range(10):
        if (power / "runtime_status").read_text() != "suspended\n":
            return False
        time.sleep(0.1)
    return True


def test_sleeping_host_takes_no_report_until_it_wakes(made: str, host_keyboard: Keyboard) -> None:
    hid = opened(udc=made, timeout=0.5)
    keyboard = plugged(host_keyboard)
    power = host_device() / "power"
    (power / "autosuspend_delay_ms").write_text("0")
    (power / "control").write_text("auto")
    eventually(partial(stays_suspended, power), "the host to suspend the port")
    # dummy_hcd has room for one report more, and its host may wake for a while.
    for use in (partial(send_all, hid, (PRESS_A, RELEASE) * 5), partial(hid.watch, 1)):
        eventually(partial(sleeps, use), "the host to be asleep")
    (power / "control").write_text("on")
    watch_until_back(hid)
    hid.send(RELEASE)
    eventually(lambda: keyboard.presses() and not keyboard.held(), "the keys to come and be released")
    hid.close()


def test_host_that_does_not_accept_us_is_told(driver: UsbGadget) -> None:
    device = host_device()
    (device / "authorized").write_text("0")
    # The state stays configured, so only the node tells.
    with pytest.raises(HidOffline, match=r"took no report.*configured"):
        driver.send(PRESS_A)
    with pytest.raises(HidOffline, match=r"took no report.*configured"):
        driver.watch(0)
    (device / "authorized").write_text("1")
    watch_until_back(driver)
    driver.send(RELEASE)


def test_gadget_taken_down_is_lost_and_found_again(driver: UsbGadget, host_keyboard: Keyboard) -> None:
    driver.watch(0)
    lost: list[str] = []

    def watch() -> None:
        try:
            while True:
                with contextlib.suppress(HidOffline):
                    driver.watch(1)
        except DeviceLost as error:
            lost.append(str(error))

    thread = threading.Thread(target=watch)
    thread.start()
    kvmd("down")
    thread.join()
    assert "the gadget kvmd was taken down" in lost[0]
    with pytest.raises(DeviceLost, match="taken down"):
        driver.send(PRESS_A)
    driver.close()
    forgotten()
    kvmd("up")
    accepted()
    types_a(host_keyboard)


def test_node_gone_dead_behind_a_configured_controller_is_opened_anew(
    driver: UsbGadget, host_keyboard: Keyboard
) -> None:
    kvmd("down")
    forgotten()
    kvmd("up")
    accepted()
    keyboard = plugged(host_keyboard)
    driver.send(PRESS_A)
    driver.send(RELEASE)
    keyboard.wait_for((KEY_A, 1), (KEY_A, 0))


def test_controller_that_goes_and_comes_back(driver: UsbGadget, dummy_hcd: DummyHcd, host_keyboard: Keyboard) -> None:
    driver.watch(0)
    dummy_hcd.remove()
    with pytest.raises(DeviceLost, match="is gone"):
        driver.send(PRESS_A)
    with pytest.raises(DeviceLost, match="is gone"):
        driver.watch(1)
    assert driver.status().host_connected is False
    driver.close()
    with pytest.raises(DeviceAbsent, match="no USB device controller"):
        opened()
    forgotten()
    dummy_hcd.restore()
    kvmd("up")
    accepted()
    types_a(host_keyboard)


def test_close_ends_a_watch_and_may_be_repeated(driver: UsbGadget) -> None:
    driver.watch(0)
    ended = threading.Event()

    def watch() -> None:
        with contextlib.suppress(DeviceLost):
            driver.watch(patience())
        ended.set()

    thread = threading.Thread(target=watch)
    thread.start()
    driver.close()
    assert ended.wait(patience())
    thread.join()
    driver.close()
    with pytest.raises(DeviceLost):
        driver.send(PRESS_A)


def test_device_given_by_the_core_is_the_controller(made: str) -> None:
    assert UsbGadgetOptions(udc=made).selects(Device("udc", made))
    assert not UsbGadgetOptions(udc="fe980000.usb").selects(Device("udc", made))
    hid = UsbGadget(UsbGadgetOptions(), Device("udc", made))
    hid.open()
    assert hid.status().device == f"USB gadget on {made}"
    hid.close()


class TestConformance(HidConformance):
    """What the daemon asks of every HID driver, with the guest's own console as the host that answers lock keys."""

    lock_key = 0x39

    @pytest.fixture
    def driver(self, made: str, dummy_hcd: DummyHcd, host_keyboard: Keyboard, host_mouse: Mouse) -> Iterator[UsbGadget]:
        self.hcd, self.host_keyboard = dummy_hcd, host_keyboard
        plugged(host_keyboard)
        for absolute in (True, False):
            host_mouse(NAME, absolute)
        hid = UsbGadget(UsbGadgetOptions(udc=made), None)
        yield hid
        hid.close()

    def unplug(self, driver: HidDriver) -> None:  # noqa: ARG002  # there is one cable
        self.hcd.unplug()
        forgotten()

    def plug(self, driver: HidDriver) -> None:  # noqa: ARG002
        self.hcd.plug()
        plugged(self.host_keyboard)

    def remove(self, driver: HidDriver) -> None:  # noqa: ARG002
        self.hcd.remove()
        forgotten()

    def insert(self, driver: HidDriver) -> None:  # noqa: ARG002
        self.hcd.restore()
        assert kvmd("up").exit_code == 0
        accepted()


@pytest.fixture
def units() -> Iterator[None]:
    """The unit and the udev rules of etc/, in force."""
    places = {
        ETC / "kvmd-gadget.service": Path("/run/systemd/system"),
        ETC / "71-kvmd-gadget.rules": Path("/run/udev/rules.d"),
        ETC / "70-kvmd.rules": Path("/run/udev/rules.d"),
    }
    run("systemctl", "unmask", "--runtime", "kvmd-gadget.service")
    run("systemd-sysusers", str(ETC / "sysusers.d/kvmd.conf"))
    for source, folder in places.items():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder)
    reload_units()
    yield
    run("systemctl", "stop", "kvmd-gadget.service")
    run("systemctl", "reset-failed", "kvmd-gadget.service*")
    for source, folder in places.items():
        (folder / source.name).unlink()
    run("systemctl", "mask", "--runtime", "kvmd-gadget.service")
    reload_units()


def reload_units() -> None:
    run("systemctl", "daemon-reload")
    run("udevadm", "control", "--reload")


@pytest.mark.usefixtures("units")
def test_unit_makes_the_gadget_whenever_the_controller_appears(dummy_hcd: DummyHcd, host_keyboard: Keyboard) -> None:
    dummy_hcd.unload()
    dummy_hcd.load()
    accepted()
    types_a(host_keyboard)
    node = Path(gadget.gadget_nodes("kvmd")["keyboard"])
    eventually(
        lambda: node.stat().st_mode & 0o777 == 0o660 and node.group() == "kvmd", "the group kvmd to own the node"
    )
    for remove in (lambda: None, lambda: kvmd("down")):
        remove()
        dummy_hcd.remove()
        forgotten()
        dummy_hcd.restore()
        accepted()
        types_a(host_keyboard)


LOSES_IT = """[Service]
RestartSec=1
ExecStart=
ExecStart=+/bin/sh -c 'echo dummy_udc.0 > /sys/bus/platform/drivers/dummy_udc/unbind; exit 4'
"""
"""The plus lets it out of the sandbox, in which /sys is not to be written."""


@pytest.fixture
def unlucky(units: None, dummy_hcd: DummyHcd) -> Iterator[None]:  # noqa: ARG001  # they come first
    """The unit, but the controller goes while it runs; the next try is after a second."""
    run("systemctl", "start", "kvmd-gadget.service")
    accepted()
    gives_up()
    folder = Path("/run/systemd/system/kvmd-gadget.service.d")
    folder.mkdir()
    (folder / "unlucky.conf").write_text(LOSES_IT)
    reload_units()
    yield
    shutil.rmtree(folder)
    reload_units()
    dummy_hcd.restore()


@pytest.mark.usefixtures("unlucky")
def test_unit_gives_up_when_the_controller_has_gone_between_two_tries() -> None:
    with contextlib.suppress(RuntimeError):
        run("systemctl", "start", "kvmd-gadget.service")
    gives_up()
    assert not gadget.controllers()


def gives_up() -> None:
    """Wait until the unit neither runs nor waits for another try."""
    state = ("systemctl", "show", "--property=ActiveState", "--value", "kvmd-gadget.service")
    eventually(lambda: run(*state).strip() == "inactive", "the unit to end")
