"""What the gpio driver decides, asks for and says; tests/kernel/test_gpio.py has the real library and kernel."""

from __future__ import annotations

import errno
import importlib.machinery
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd import ConfigError, DeviceAbsent, DeviceLost, DriverError, PowerButton, PowerCapability, Unsupported
from kvmd.contract.power import PowerDriver
from kvmd.system.config import convert
from kvmd.testing import PowerConformance
from kvmd_drivers import gpio
from kvmd_drivers.gpio import Gpio, GpioOptions
from tests.drivers.fake_gpiod import Bias, Board, Direction, Edge

PANEL = {"power_button": "POWER", "reset_button": "RESET", "power_lamp": "PLED", "disk_lamp": "HDD"}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """A machine without chips."""
    made = Board(tmp_path)
    module = made.module()
    monkeypatch.setattr(gpio, "DEV", tmp_path)
    monkeypatch.setattr(Gpio, "problem", classmethod(lambda _: None))
    monkeypatch.setitem(sys.modules, "gpiod", module)
    monkeypatch.setitem(sys.modules, "gpiod.line", module.line)
    return made


@pytest.fixture
def lines(board: Board) -> dict[str, Any]:
    """The lines of a chip with a front panel, by name."""
    return {line.name: line for line in board.add("panel", "POWER", "RESET", "PLED", "HDD")}


@pytest.fixture
def open_driver(lines: dict[str, Any]) -> Iterator[Callable[..., Gpio]]:  # noqa: ARG001  # they have to be there
    """How a test gets a driver that is open."""
    made = []

    def make(**given: Any) -> Gpio:
        driver = new(**given)
        driver.open()
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.close()


def options(**given: object) -> GpioOptions:
    """Options as they are read from a file."""
    return convert(given, GpioOptions, "kvmd.toml", "power.options.")


def new(**given: object) -> Gpio:
    return Gpio(options(**given), None)


def set_line(line: Any, level: int) -> None:
    """Whatever is wired to an input changes its level."""
    line.request.edge(level)


class TestGpio(PowerConformance):
    hold = 0.05

    @pytest.fixture(autouse=True)
    def panel(self, board: Board, lines: dict[str, Any]) -> None:
        self.board, self.lines = board, lines

    @pytest.fixture
    def driver(self) -> Gpio:
        return new(**PANEL, debounce=0)

    def pressed(self, driver: PowerDriver, button: PowerButton) -> bool | None:  # noqa: ARG002
        return bool(self.lines[PANEL[f"{button.value}_button"]].level == 1)

    def leave_pressed(self, driver: PowerDriver, button: PowerButton) -> None:  # noqa: ARG002
        self.lines[PANEL[f"{button.value}_button"]].level = 1

    def light(self, driver: PowerDriver, lamp: PowerCapability, on: bool) -> None:  # noqa: ARG002
        set_line(self.lines["PLED" if lamp is PowerCapability.POWER_LAMP else "HDD"], int(on))

    def unplug(self, driver: PowerDriver) -> None:  # noqa: ARG002
        self.board.pull_out("panel")

    def plug(self, driver: PowerDriver) -> None:  # noqa: ARG002
        self.lines = {line.name: line for line in self.board.add("panel", *PANEL.values())}


class TestGpioPolled(TestGpio):
    """The same on a chip without interrupts."""

    @pytest.fixture(autouse=True)
    def panel(self, board: Board, lines: dict[str, Any]) -> None:
        self.board, self.lines = board, lines
        self._have_no_interrupt()

    def plug(self, driver: Any) -> None:
        super().plug(driver)
        self._have_no_interrupt()

    def _have_no_interrupt(self) -> None:
        for line in self.lines.values():
            line.has_interrupt = False


# -- options


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"power_button": "23"}, r'power_button = "23": a number alone names another pin .* such as "GPIO23"'),
        ({"power_lamp": "gpiochip0:24"}, 'power_lamp = "gpiochip0:24": gpiochip0 is another chip on another kernel'),
        ({"power_lamp": "/dev/gpiochip4:24"}, "is another chip on another kernel"),
        ({"disk_lamp": " "}, "names no line"),
        ({"power_button": 23}, "power.options.power_button = 23 cannot be used; accepted: text"),
        ({"power_button": "A", "reset_button": "A"}, 'power_button and reset_button are the same line, "A"'),
        ({"power_button": "A", "active_low": ["power_lamp"]}, "active_low names power_lamp, of which no line is given"),
        ({"active_low": ["lamp"]}, "power.options.active_low"),
        ({"bias": "up"}, 'accepted: one of "as_is", "pull_up"'),
        ({"debounce": -1}, "power.options.debounce"),
        ({"number": 1}, "power.options.number is not known"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        options(**given)


@pytest.mark.parametrize("line", ["GPIO23", "pinctrl-bcm2711:23", "300b000.pinctrl:228", "PWR 1", "1:a"])
def test_names_and_labels_are_taken(line: str) -> None:
    assert options(power_button=line).lines() == {"power_button": line}


def test_without_a_line_it_says_what_to_set() -> None:
    with pytest.raises(DriverError, match="no line is given: set power_button"):
        new().open()


def test_capabilities_are_what_is_wired() -> None:
    wired = new(power_button="A", disk_lamp="B").capabilities
    assert wired == PowerCapability.POWER_BUTTON | PowerCapability.DISK_LAMP


# -- the library


def test_missing_library_is_told_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert Gpio.problem() == (
        "the Python library gpiod is not installed: /opt/kvmd/bin/pip install 'kvmd-hal[gpio]', or from Debian 13 on "
        "apt install python3-libgpiod"
    )
    with pytest.raises(DriverError, match="is not installed"):
        new(power_button="A").open()


@pytest.mark.parametrize("files", [["gpiod.py"], ["gpiod/__init__.py"]])
def test_version_1_of_the_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str]) -> None:
    """Debian 12's python3-libgpiod is one file; PyPI's gpiod 1.5 is a folder."""
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise AssertionError('it was imported')")
    _only_in(tmp_path, monkeypatch)
    assert f"gpiod in {tmp_path / files[0]} is of version 1" in str(Gpio.problem())


def test_version_2_of_the_library_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpiod").mkdir()
    for name in ("__init__", "line_request"):
        (tmp_path / f"gpiod/{name}.py").write_text("raise AssertionError('it was imported')")
    _only_in(tmp_path, monkeypatch)
    assert Gpio.problem() is None


def _only_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.PathFinder.find_spec(name, [str(folder)])

    monkeypatch.setattr("importlib.util.find_spec", find)


# -- finding lines


def test_no_chip_at_all_is_absent(board: Board) -> None:  # noqa: ARG001  # it has none
    with pytest.raises(DeviceAbsent, match='there is no "A", as this machine has no GPIO chip'):
        new(power_button="A").open()


def test_line_that_is_not_there_is_absent_and_the_chips_are_named(board: Board) -> None:
    board.add("pinctrl-bcm2711", "ID_SDA")
    board.add("raspberrypi-exp-gpio", "BT_ON")
    with pytest.raises(DeviceAbsent, match='no "GPIO23" on pinctrl-bcm2711, raspberrypi-exp-gpio; `gpioinfo` lists'):
        new(power_button="GPIO23").open()


def test_link_is_no_second_chip(board: Board, lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:
    (board.folder / "gpiochip4").symlink_to(board.folder / "gpiochip0")
    open_driver(power_button="POWER")
    assert lines["POWER"].consumer == "kvmd"


@pytest.mark.parametrize(
    ("second", "line", "way_out"),
    [
        (
            ("exp", "X", "Y", "POWER"),
            "POWER",
            'panel:0 on .*gpiochip0, exp:2 on .*gpiochip1; say which, as "LABEL:OFFSET"',
        ),
        (("panel", "POWER"), "POWER", "nothing tells these chips apart, unplug one"),
        (("panel", "X"), "panel:0", "nothing tells these chips apart, unplug one"),
    ],
)
@pytest.mark.usefixtures("lines")  # they are the first
def test_line_that_is_there_twice_is_refused(board: Board, second: tuple[str, ...], line: str, way_out: str) -> None:
    board.add(*second)
    with pytest.raises(DriverError, match=f"are 2 lines: .*{way_out}"):
        new(power_button=line).open()


def test_offset_beyond_the_chip_is_told(lines: dict[str, Any]) -> None:  # noqa: ARG001
    with pytest.raises(DriverError, match="power_button: panel has no line 4; it has 0 to 3"):
        new(power_button="panel:4").open()


def test_chip_that_may_not_be_opened_is_named(board: Board, lines: dict[str, Any]) -> None:  # noqa: ARG001
    board.denied = set(board.chips)
    with pytest.raises(
        DriverError, match=r"which the daemon may not open; see that udev has 73-kvmd-gpio\.rules"
    ) as told:
        new(power_button="POWER").open()
    assert str(board.folder / "gpiochip0") in str(told.value)


def test_chip_that_may_not_be_opened_does_not_matter_for_lines_of_others(
    board: Board, lines: dict[str, Any], open_driver: Callable[..., Gpio]
) -> None:
    board.add("secret", "X")
    board.denied = {str(board.folder / "gpiochip1")}
    open_driver(power_button="POWER")
    assert lines["POWER"].request is not None


# -- taking lines


def test_lines_are_asked_for_as_the_options_say(lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:
    open_driver(**PANEL, active_low=["power_lamp", "reset_button"], bias="pull_up", debounce=0.25)
    asked = {name: line.request.settings for name, line in lines.items()}
    assert {name for name, settings in asked.items() if settings.active_low} == {"PLED", "RESET"}
    assert {name: settings.direction for name, settings in asked.items()} == {
        "POWER": Direction.OUTPUT,
        "RESET": Direction.OUTPUT,
        "PLED": Direction.INPUT,
        "HDD": Direction.INPUT,
    }
    assert (asked["PLED"].bias, asked["PLED"].edge_detection) == (Bias.PULL_UP, Edge.BOTH)
    assert asked["PLED"].debounce_period.total_seconds() == 0.25
    assert not asked["HDD"].debounce_period
    assert asked["POWER"].bias is Bias.AS_IS
    assert (lines["POWER"].level, lines["RESET"].level) == (0, 1)


@pytest.mark.parametrize("consumer", ["gpioset", "sysfs"])
def test_line_of_another_program_is_told_with_its_name(lines: dict[str, Any], consumer: str) -> None:
    lines["PLED"].consumer = consumer
    with pytest.raises(DriverError, match=rf'power_lamp: PLED \(panel:2\) is held by "{consumer}": stop that program'):
        new(**PANEL).open()
    assert lines["POWER"].consumer == ""


@pytest.mark.parametrize("wire", ["power_button", "power_lamp"])
def test_line_that_the_kernel_refuses_is_told(board: Board, lines: dict[str, Any], wire: str) -> None:  # noqa: ARG001
    board.error = errno.EINVAL
    with pytest.raises(DriverError, match=r"PLED \(panel:2\) cannot be used: Invalid argument; name another line"):
        new(**{wire: "PLED"}).open()


def test_chip_that_goes_while_it_is_opened_is_absent(board: Board, lines: dict[str, Any]) -> None:  # noqa: ARG001
    board.error = errno.ENODEV
    with pytest.raises(DeviceAbsent, match=r"its chip .*gpiochip0 was unplugged"):
        new(power_lamp="PLED").open()


# -- pressing


@pytest.mark.parametrize(("active_low", "levels"), [([], [0, 1, 0]), (["power_button"], [1, 0, 1])])
def test_press_drives_the_line_to_its_active_level_and_back(
    lines: dict[str, Any], open_driver: Callable[..., Gpio], active_low: list[str], levels: list[int]
) -> None:
    driver = open_driver(power_button="POWER", active_low=active_low)
    driver.press(PowerButton.POWER, 0.01)
    assert lines["POWER"].levels == levels
    driver.close()
    assert lines["POWER"].levels[-1] == levels[0]


def test_button_without_a_line_is_unsupported_and_named(open_driver: Callable[..., Gpio]) -> None:
    driver = open_driver(power_button="POWER")
    with pytest.raises(Unsupported, match="no line is given for the reset button: set reset_button"):
        driver.press(PowerButton.RESET, 1)


def test_press_that_is_interrupted_releases_the_button(
    lines: dict[str, Any], open_driver: Callable[..., Gpio], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = open_driver(power_button="POWER")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpio, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        driver.press(PowerButton.POWER, 1)
    assert lines["POWER"].levels == [0, 1, 0]


def test_press_that_close_cuts_short_says_so(lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:
    driver = open_driver(power_button="POWER")
    told = []
    press = threading.Thread(target=lambda: told.append(_error_of(driver)))
    press.start()
    _until(lambda: lines["POWER"].level == 1)
    driver.close()
    press.join()
    assert type(told[0]) is DriverError
    assert str(told[0]) == "the press of the power button was cut short; it is released"
    assert lines["POWER"].level == 0


def test_press_ends_when_the_chip_is_pulled(
    board: Board, lines: dict[str, Any], open_driver: Callable[..., Gpio]
) -> None:
    driver = open_driver(power_button="POWER")
    told = []
    press = threading.Thread(target=lambda: told.append(_error_of(driver)))
    press.start()
    _until(lambda: lines["POWER"].level == 1)
    board.pull_out("panel")
    press.join()
    assert type(told[0]) is DeviceLost


def test_watch_notices_a_pulled_chip_that_has_buttons_alone(board: Board, open_driver: Callable[..., Gpio]) -> None:
    driver = open_driver(power_button="POWER")
    board.pull_out("panel")
    with pytest.raises(DeviceLost, match=r"POWER \(panel:0\) does not answer any more, its chip .*gpiochip0 is gone"):
        driver.watch(60)


def _error_of(driver: Gpio) -> DriverError | None:
    try:
        driver.press(PowerButton.POWER, 3600)
    except DriverError as error:
        return error
    return None


def _until(done: Callable[[], object]) -> None:
    while not done():
        time.sleep(0.001)


# -- lamps


@pytest.mark.parametrize(("active_low", "lit"), [([], True), (["power_lamp"], False)])
def test_lamps_are_lit_at_their_active_level(
    lines: dict[str, Any], open_driver: Callable[..., Gpio], active_low: list[str], lit: bool
) -> None:
    lines["PLED"].level = 1
    driver = open_driver(power_lamp="PLED", active_low=active_low)
    assert driver.status().power_lamp is lit
    set_line(lines["PLED"], 0)
    assert driver.watch(60)
    assert driver.status().power_lamp is not lit
    assert not driver.watch(0)


def test_lamp_that_blinks_changes_at_each_edge(lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:
    driver = open_driver(power_lamp="PLED")
    for level in (1, 0) * 4:
        set_line(lines["PLED"], level)
        assert driver.watch(60)
        assert driver.status().power_lamp is bool(level)


def test_of_several_edges_the_last_counts(lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:
    driver = open_driver(disk_lamp="HDD")
    for level in (1, 0, 1, 0):
        set_line(lines["HDD"], level)
    assert driver.watch(60)
    assert driver.status().disk_lamp is False
    assert not driver.watch(0)


def test_lamp_without_an_interrupt_is_polled_and_says_so(
    lines: dict[str, Any], open_driver: Callable[..., Gpio]
) -> None:
    lines["PLED"].has_interrupt = False
    driver = open_driver(power_lamp="PLED", disk_lamp="HDD", debounce=0)
    assert driver.status().remarks == ("power_lamp is polled every 50 ms: PLED (panel:2) has no interrupt",)
    set_line(lines["PLED"], 1)
    assert driver.watch(60)
    assert driver.status().power_lamp is True


def test_disk_lamp_that_is_polled_is_seen_at_the_first_look(
    lines: dict[str, Any], open_driver: Callable[..., Gpio]
) -> None:
    lines["HDD"].has_interrupt = False
    driver = open_driver(disk_lamp="HDD", debounce=1)
    set_line(lines["HDD"], 1)
    assert driver.watch(0)


def test_glitch_is_not_seen_by_polling(lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:
    lines["PLED"].has_interrupt = False
    driver = open_driver(power_lamp="PLED", debounce=1)
    set_line(lines["PLED"], 1)
    assert not driver.watch(0)
    set_line(lines["PLED"], 0)
    assert not driver.watch(1.2)
    set_line(lines["PLED"], 1)
    assert driver.watch(60)


def test_close_ends_a_watch(lines: dict[str, Any], open_driver: Callable[..., Gpio]) -> None:  # noqa: ARG001
    driver = open_driver(power_lamp="PLED")
    told = []
    watch = threading.Thread(target=lambda: told.append(driver.watch(3600)))
    watch.start()
    _until(driver._watching.locked)
    driver.close()
    watch.join()
    assert told == [False]
    with pytest.raises(DriverError, match="are not open"):
        driver.watch(0)
