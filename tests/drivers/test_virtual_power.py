"""The virtual computer's front panel: the power driver conforms; the computer starts, stops and sleeps as one does."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient

from kvmd import (
    AbsoluteMouseReport,
    ConsumerReport,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    HidOffline,
    KeyboardReport,
    Leds,
    NoSignal,
    PowerButton,
    PowerCapability,
    SystemReport,
)
from kvmd.contract.capture import Frame
from kvmd.contract.power import PowerDriver
from kvmd.testing import PowerConformance
from kvmd_drivers.virtual import VirtualCapture, VirtualHid, front_panel, keys
from kvmd_drivers.virtual.computer import Computer, shared
from kvmd_drivers.virtual.front_panel import AFTERWARDS, OVERRIDE, SLEEP_BLINK, Lamps, Phase
from kvmd_drivers.virtual.power import VirtualPower
from tests.conftest import Daemon

POWER, RESET = PowerButton
STARTS_IN, STOPS_IN = AFTERWARDS[Phase.STARTING][0], AFTERWARDS[Phase.STOPPING][0]
SLEEP_KEY, POWER_KEY, WAKE_KEY = 0x82, 0x81, 0x83
A = KeyboardReport(keys=(0x04,))


class Clock:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def computer(clock: Clock) -> Computer:
    """A computer that runs, on the test's clock."""
    return Computer(clock)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.nodeid)


@pytest.fixture
def power(name: str) -> Iterator[VirtualPower]:
    driver = VirtualPower(VirtualPower.Options(computer=name), None)
    driver.open()
    yield driver
    driver.close()


def computer_of(driver: PowerDriver) -> Computer:
    assert isinstance(driver, VirtualPower)
    return driver._computer


class TestConforms(PowerConformance):
    @pytest.fixture
    def driver(self, name: str) -> VirtualPower:
        return VirtualPower(VirtualPower.Options(computer=name), None)

    def pressed(self, driver: PowerDriver, button: PowerButton) -> bool | None:
        return computer_of(driver).is_down(button)

    def leave_pressed(self, driver: PowerDriver, button: PowerButton) -> None:
        computer_of(driver).press(button)

    def light(self, driver: PowerDriver, lamp: PowerCapability, on: bool) -> None:
        if lamp is PowerCapability.DISK_LAMP:
            pytest.skip("the disk lamp flickers as the disk works")
        computer_of(driver).switch(on)

    def unplug(self, driver: PowerDriver) -> None:
        computer_of(driver).plug_panel(False)

    def plug(self, driver: PowerDriver) -> None:
        computer_of(driver).plug_panel(True)


def hold(computer: Computer, clock: Clock, button: PowerButton, seconds: float) -> None:
    computer.press(button)
    clock.now += seconds
    computer.release(button)


def phase_of(computer: Computer) -> Phase:
    """Its phase now; as an attribute mypy takes it for what it was before."""
    return computer.phase


def text_of(computer: Computer) -> str:
    return "\n".join(line.text for line in computer.state().lines).rstrip()


def switch_off(computer: Computer) -> None:
    computer.switch(False)
    assert phase_of(computer) is Phase.OFF


def test_a_computer_is_on_at_first(computer: Computer) -> None:
    assert phase_of(computer) is Phase.RUNNING
    assert computer.lamps == Lamps(power=True, disk=False)
    assert (computer.no_signal(), computer.no_host()) == ("", "")


def test_a_short_press_ends_it_in_order(computer: Computer, clock: Clock) -> None:
    hold(computer, clock, POWER, 0.5)
    assert phase_of(computer) is Phase.STOPPING
    assert "> \n\nThe power button was pressed. Shutting down ..." in text_of(computer)
    assert computer.no_signal() == ""
    clock.now += STOPS_IN - 0.01
    assert text_of(computer).endswith("Switching off.")
    assert computer.lamps.power
    clock.now += 0.01
    assert phase_of(computer) is Phase.OFF
    assert computer.lamps == Lamps(power=False, disk=False)
    assert text_of(computer) == ""


def test_a_press_of_four_seconds_cuts_the_power_while_it_is_held(computer: Computer, clock: Clock) -> None:
    computer.press(POWER)
    clock.now += OVERRIDE - 0.01
    assert phase_of(computer) is Phase.RUNNING
    clock.now += 0.01
    assert phase_of(computer) is Phase.OFF
    clock.now += 2
    computer.release(POWER)
    assert phase_of(computer) is Phase.OFF


def test_what_was_due_happens_in_its_order_when_nobody_looked(computer: Computer, clock: Clock) -> None:
    """Off after four seconds, although the release came with the next look."""
    hold(computer, clock, POWER, 100)
    assert phase_of(computer) is Phase.OFF


def test_a_press_that_cut_the_power_says_nothing_of_the_next(computer: Computer, clock: Clock) -> None:
    hold(computer, clock, POWER, OVERRIDE)
    hold(computer, clock, POWER, STARTS_IN + 0.1)
    assert phase_of(computer) is Phase.RUNNING


def test_a_pulled_front_panel_presses_nothing(computer: Computer) -> None:
    computer.press(POWER)
    computer.plug_panel(False)
    assert not computer.is_down(POWER)


def test_a_press_held_from_off_starts_it_and_cuts_the_power_again(computer: Computer, clock: Clock) -> None:
    switch_off(computer)
    computer.press(POWER)
    assert phase_of(computer) is Phase.STARTING
    clock.now += STARTS_IN
    assert phase_of(computer) is Phase.RUNNING
    clock.now += OVERRIDE - STARTS_IN
    assert phase_of(computer) is Phase.OFF


def test_a_short_press_starts_it(computer: Computer, clock: Clock) -> None:
    switch_off(computer)
    hold(computer, clock, POWER, 0.5)
    assert phase_of(computer) is Phase.STARTING
    assert computer.lamps.power
    assert computer.no_signal() == ""
    clock.now += STARTS_IN
    assert phase_of(computer) is Phase.RUNNING
    assert text_of(computer).startswith("kvmd-hal virtual computer\n")
    assert text_of(computer).endswith("\n>")


def test_the_firmware_counts_finds_and_boots_line_by_line(computer: Computer, clock: Clock) -> None:
    switch_off(computer)
    computer.press(POWER)
    screens = []
    for _ in range(int(STARTS_IN * 10) - 1):
        screens.append(text_of(computer))
        clock.now += 0.1
    assert screens[0] == "kvmd-hal virtual firmware"
    assert screens[-1].endswith("Booting from the virtual disk ...")
    assert "Memory      65536 KiB" in screens[-1]
    assert "Memory      65536 KiB" not in screens[6]
    lengths = [len(screen) for screen in screens]
    assert lengths == sorted(lengths)
    assert len(set(screens)) > 8


def test_a_press_while_the_firmware_runs_switches_off(computer: Computer, clock: Clock) -> None:
    computer.press(RESET)
    computer.release(RESET)
    hold(computer, clock, POWER, 0.5)
    assert phase_of(computer) is Phase.OFF


def test_a_second_short_press_does_not_keep_it_from_ending(computer: Computer, clock: Clock) -> None:
    hold(computer, clock, POWER, 0.2)
    clock.now += 0.2
    hold(computer, clock, POWER, 0.2)
    clock.now += STOPS_IN - 0.4
    assert phase_of(computer) is Phase.OFF


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.STARTING, Phase.STOPPING, Phase.ASLEEP])
def test_reset_starts_it_anew(computer: Computer, clock: Clock, phase: Phase) -> None:
    prepare(computer, phase)
    computer.take(KeyboardReport(keys=(keys.CAPS_LOCK, 0x04)))
    clock.now += 0.1
    hold(computer, clock, RESET, 0.5)
    assert phase_of(computer) is Phase.STARTING
    assert text_of(computer).startswith("kvmd-hal virtual firmware")
    assert computer.leds == Leds()
    assert computer.down == KeyboardReport()
    clock.now += STARTS_IN - 0.5
    assert phase_of(computer) is Phase.RUNNING


def prepare(computer: Computer, phase: Phase) -> None:
    """Bring a computer that runs into a phase."""
    if phase is Phase.STARTING:
        computer.switch(False)
        computer.switch(True)
    if phase is Phase.STOPPING:
        computer.press(POWER)
        computer.release(POWER)
    if phase is Phase.ASLEEP:
        computer.take(SystemReport(SLEEP_KEY))
    if phase is Phase.OFF:
        computer.switch(False)
    assert computer.phase is phase


def test_reset_does_not_switch_on(computer: Computer, clock: Clock) -> None:
    switch_off(computer)
    hold(computer, clock, RESET, 0.5)
    assert phase_of(computer) is Phase.OFF


def test_off_means_no_host_and_what_was_held_is_let_go(computer: Computer) -> None:
    computer.take(KeyboardReport(modifiers=1, keys=(keys.CAPS_LOCK,)))
    computer.take(AbsoluteMouseReport(buttons=1))
    switch_off(computer)
    assert computer.no_host() == "no host: the virtual computer is switched off"
    assert computer.leds == Leds()
    assert computer.down == KeyboardReport()
    assert computer.state().pointer.buttons == 0
    with pytest.raises(HidOffline, match="switched off"):
        computer.take(A)


def test_keys_are_taken_but_not_typed_while_it_starts(computer: Computer, clock: Clock) -> None:
    prepare(computer, Phase.STARTING)
    computer.take(A)
    clock.now += STARTS_IN
    computer.take(KeyboardReport())
    assert text_of(computer).endswith("\n>")
    assert computer.state().keys == ("A",)
    computer.take(A)
    assert text_of(computer).endswith("\n> a")


def test_the_disk_works_as_it_starts_and_stops(computer: Computer, clock: Clock) -> None:
    prepare(computer, Phase.STARTING)
    seen = []
    while computer.phase is not Phase.RUNNING:
        seen.append(computer.lamps.disk)
        clock.now += front_panel.FLICKER
    assert not any(seen[: int(front_panel.DISK_FOUND / front_panel.FLICKER)])
    changes = sum(one != other for one, other in itertools.pairwise(seen))
    assert changes > 4
    assert computer.lamps == Lamps(power=True, disk=False)
    prepare(computer, Phase.STOPPING)
    assert computer.lamps.disk


def test_the_sleep_key_sends_it_to_sleep_and_the_lamp_blinks(computer: Computer, clock: Clock) -> None:
    computer.take(A)
    computer.take(SystemReport(SLEEP_KEY))
    computer.take(SystemReport())
    computer.take(KeyboardReport())
    assert phase_of(computer) is Phase.ASLEEP
    assert computer.no_signal().startswith("no signal: the virtual computer is asleep")
    assert computer.no_host() == ""
    seen = []
    for _ in range(8):
        seen.append(computer.lamps.power)
        clock.now += SLEEP_BLINK
    assert seen == [False, True] * 4
    assert not computer.lamps.disk


@pytest.mark.parametrize(
    "wake",
    [
        lambda computer: computer.take(KeyboardReport(keys=(0x05,))),
        lambda computer: computer.take(KeyboardReport(modifiers=0x02)),
        lambda computer: computer.take(SystemReport(WAKE_KEY)),
        lambda computer: computer.take(ConsumerReport((0xE2,))),
        lambda computer: computer.press(POWER),
    ],
    ids=["key", "modifier", "wake key", "media key", "power button"],
)
def test_what_wakes_it(computer: Computer, wake: Callable[[Computer], object]) -> None:
    computer.take(A)
    computer.take(KeyboardReport())
    prepare(computer, Phase.ASLEEP)
    computer.take(SystemReport())
    wake(computer)
    assert phase_of(computer) is Phase.RUNNING
    assert text_of(computer).endswith("\n> a"), "the key that wakes it types nothing, and what was there is there"
    assert computer.lamps.power
    computer.release(POWER)
    assert phase_of(computer) is Phase.RUNNING


def test_the_power_key_ends_it_in_order(computer: Computer) -> None:
    computer.take(SystemReport(POWER_KEY))
    assert phase_of(computer) is Phase.STOPPING


def test_keys_are_not_typed_while_it_stops(computer: Computer) -> None:
    prepare(computer, Phase.STOPPING)
    before = text_of(computer)
    computer.take(A)
    assert text_of(computer) == before


def test_what_is_written_below_a_full_screen_is_in_view(computer: Computer) -> None:
    for _ in range(30):
        computer.take(KeyboardReport(keys=(keys.ENTER,)))
        computer.take(KeyboardReport())
    prepare(computer, Phase.STOPPING)
    state = computer.state()
    assert state.lines[-1].text == "The power button was pressed. Shutting down ..."
    assert state.cursor == (24, len(state.lines[-1].text))


def test_off_takes_the_picture_and_on_brings_it_back(power: VirtualPower, name: str) -> None:
    capture = VirtualCapture(VirtualCapture.Options(computer=name), None)
    capture.open()
    next(capture.frames())
    shared(name).switch(False)
    with pytest.raises(NoSignal, match="no signal: the virtual computer is switched off"):
        next(capture.frames())
    assert capture.status().signal is None
    with pressed_soon(power):
        frame = next(frame for frame in frames_of(capture) if frame is not None)
    assert (frame.width, frame.height) == (1280, 720)
    capture.close()


@contextmanager
def pressed_soon(power: VirtualPower) -> Iterator[None]:
    """Press the power button while the test waits for what comes of it."""
    press = threading.Timer(0.05, power.press, (POWER, 0.1))
    press.start()
    yield
    press.join()


def frames_of(capture: VirtualCapture) -> Iterator[Frame | None]:
    """Ask for a picture as the daemon does, again and again; None for each time that there was no signal."""
    while True:
        try:
            yield next(capture.frames())
        except NoSignal:
            yield None


def test_off_takes_the_host_from_one_who_watches(power: VirtualPower, name: str) -> None:
    hid = VirtualHid(VirtualHid.Options(computer=name), None)
    hid.open()
    hid.send(KeyboardReport(keys=(keys.CAPS_LOCK,)))
    assert hid.watch(0)
    with pressed_soon(power), pytest.raises(HidOffline, match="no host: the virtual computer is switched off"):
        hid.watch(30)
    assert hid.status().host_connected is False
    shared(name).switch(True)
    assert hid.watch(30), "the LEDs went out with the power"
    assert hid.status().leds == Leds()
    hid.close()


def test_every_blink_and_the_end_are_reported_to_one_who_watches(power: VirtualPower, name: str) -> None:
    computer = shared(name)
    computer.take(SystemReport(SLEEP_KEY))
    seen = []
    for _ in range(3):
        assert power.watch(30)
        seen.append(power.status().power_lamp)
    assert len(seen) == 3
    power.press(POWER, 0.1)
    power.press(POWER, 0.1)
    while power.status().power_lamp:
        assert power.watch(30), "stopping, the disk works; in the end the power lamp goes out"
    assert phase_of(computer) is Phase.OFF


def test_a_closed_driver_lets_go_of_who_watches(power: VirtualPower) -> None:
    threading.Timer(0.05, power.close).start()
    assert power.watch(30) is False
    with pytest.raises(DriverError, match="not open"):
        power.watch(0)


def test_a_pulled_front_panel_is_lost_and_absent_until_it_is_back(power: VirtualPower, name: str) -> None:
    threading.Timer(0.05, shared(name).plug_panel, (False,)).start()
    with pytest.raises(DeviceLost, match="front panel is unplugged"):
        power.watch(30)
    power.close()
    with pytest.raises(DeviceAbsent, match="front panel is unplugged"):
        power.open()
    shared(name).plug_panel(True)
    power.open()


@pytest.fixture
def client(make_daemon: Callable[..., Daemon]) -> FlaskClient:
    daemon = make_daemon()
    client = daemon.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {daemon.kvm.auth.credentials.add_key('test')}"
    return client


def test_endpoint_switches_and_pulls(client: FlaskClient, name: str) -> None:
    computer = shared(name)

    def post(**body: bool) -> Any:
        return client.post("/api/virtual", json={"computer": name, **body}).get_json()["data"]

    off = post(power=False)
    assert (off["power"], off["phase"], off["lamps"]) == (False, "off", {"power": False, "disk": False})
    assert (off["signal"], off["host"]) == (True, True), "the cables are plugged in all the same"
    on = post(power=True)
    assert (on["power"], on["phase"], on["lamps"]["power"]) == (True, "starting", True)
    assert on["text"][0] == "kvmd-hal virtual firmware"
    assert post(panel=False)["panel"] is False
    computer.press(POWER)
    assert not computer.is_down(POWER)
    assert post(panel=True, power=True)["panel"] is True
