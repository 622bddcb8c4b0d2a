"""How guests share tests and what becomes of a guest that is lost; fake_guest.py stands for QEMU, the rest is real."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import fake_guest, team
from tests.lab.errors import LabError
from tests.lab.machine import Limits, Machine
from tests.lab.qemu import Places
from tests.lab.shares import Shares, by_module
from tests.lab.team import Outcome, Team
from tests.waiting import patience, slowness

SILENCE = 1.0

Run = Callable[..., Team]


class Boots:
    """Makes fake guests.

    :param kinds: how one boot after the other goes: "works" or "panics"; all others work
    """

    def __init__(self, folder: Path, *kinds: str) -> None:
        self.names: list[str] = []
        self._folder = folder
        self._kinds = itertools.chain(kinds, itertools.repeat("works"))

    def __call__(self, name: str) -> Machine:
        self.names.append(name)
        kind = next(self._kinds)

        def launch(places: Places) -> list[str]:
            # longer than a guest may be silent, also on a machine that has become slower meanwhile
            slow = 3 * SILENCE * slowness()
            return [sys.executable, fake_guest.__file__, str(places.port), kind, str(slow)]

        return Machine(launch, self._folder, self._folder / name, Limits(boot=60, silence=SILENCE))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A function that has guests run tests; they are ended in the end."""
    teams: list[Team] = []

    def run(*nodeids: str, boots: tuple[str, ...] = (), size: int = 1, say: Callable[[str], None] = print) -> Team:
        teams.append(Team(Boots(tmp_path, *boots), nodeids, size, {}, say))
        teams[-1].start()
        return teams[-1]

    yield run
    for each in teams:
        each.finish()


def outcome(guests: Team, nodeid: str) -> Outcome:
    found = guests.outcomes.wait(nodeid, patience())
    assert found is not None
    return found


def ran_in(guests: Team, nodeid: str) -> int:
    """The number of the process that ran a test, which has passed."""
    found = outcome(guests, nodeid)
    assert not found.failure
    [report] = found.reports
    assert report["nodeid"] == nodeid
    number: int = report["pid"]
    return number


def test_a_slow_machine_has_one_guest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "SLOW_BOOT", 0.0)
    said: list[str] = []
    tests = [f"{module}.py::test_passes[{number}]" for module in "abcdef" for number in range(3)]
    guests = run(*tests, size=3, say=said.append)
    assert len({ran_in(guests, nodeid) for nodeid in tests}) == 1
    assert {line.partition(" ")[0] for line in said if "leaves the machine" in line} <= {"kernel-2", "kernel-3"}


def test_one_guest_runs_all_tests_and_is_not_booted_anew(run: Run) -> None:
    tests = [f"{module}.py::test_passes[{number}]" for module in "ab" for number in range(3)]
    guests = run(*tests)
    assert len({ran_in(guests, nodeid) for nodeid in tests}) == 1
    guests.finish()
    assert guests.summary().startswith("kernel: 6 tests with Linux 6.12-fake in ")


def test_guests_take_a_module_each_and_the_free_one_takes_the_next(run: Run) -> None:
    guests = run("a.py::test_is_slow", "b.py::test_passes", "c.py::test_passes", size=2)
    quick = {ran_in(guests, nodeid) for nodeid in ("b.py::test_passes", "c.py::test_passes")}
    assert len(quick) == 1
    assert ran_in(guests, "a.py::test_is_slow") not in quick


def test_slow_guest_that_gives_signs_of_life_is_waited_for(run: Run) -> None:
    guests = run("a.py::test_is_slow", "a.py::test_passes")
    assert ran_in(guests, "a.py::test_is_slow") == ran_in(guests, "a.py::test_passes")
    assert guests.losses == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("a.py::test_panics", "the guest has ended"),
        ("a.py::test_ends_in_a_message", "the guest has ended"),
        ("a.py::test_falls_silent", "the guest has shown no sign of life for"),
        ("a.py::test_hangs", "the test hangs, after 600 s:\nThread 1: line 7 in acquire"),
        ("a.py::test_breaks_the_usb_devices", "the guest's USB devices are lost: Traceback"),
    ],
)
def test_lost_guest_costs_the_test_that_it_ran_and_the_rest_goes_on_in_a_new_one(
    run: Run, bad: str, reason: str
) -> None:
    said: list[str] = []
    guests = run("a.py::test_passes[1]", bad, "a.py::test_passes[2]", "b.py::test_passes", say=said.append)
    first, second = (ran_in(guests, f"a.py::test_passes[{number}]") for number in (1, 2))
    assert first != second
    assert ran_in(guests, "b.py::test_passes") == second
    assert outcome(guests, bad).failure.startswith(f"kernel lab: {reason}")
    assert said[0].startswith(f"kernel-1 is lost: {reason.partition(chr(10))[0]}")
    assert guests.losses == 1


def test_failure_shows_the_end_of_the_console(run: Run) -> None:
    failure = outcome(run("a.py::test_panics"), "a.py::test_panics").failure
    assert "---- end of " in failure
    assert failure.endswith("\nKernel panic - not syncing")


def test_boot_that_panics_is_retried_and_costs_no_test(run: Run) -> None:
    guests = run("a.py::test_passes", boots=("panics", "panics"))
    assert ran_in(guests, "a.py::test_passes")
    assert guests.losses == 2


def test_boots_that_all_panic_end_it(run: Run) -> None:
    guests = run("a.py::test_passes", "b.py::test_passes", boots=("panics",) * 20, size=2)
    for nodeid in ("a.py::test_passes", "b.py::test_passes"):
        failure = outcome(guests, nodeid).failure
        assert "guests were lost, which is too many; the last one: the guest has ended" in failure
        assert failure.endswith("\nKernel panic - not syncing: at the boot")
    assert guests.losses >= team.LOSSES


def test_image_that_cannot_be_built_is_what_all_tests_say(tmp_path: Path) -> None:
    def boot(name: str) -> Machine:
        raise LabError(f"no image for {name} in {tmp_path}")

    guests = Team(boot, ["a.py::test_passes"], 1, {}, print)
    guests.start()
    assert outcome(guests, "a.py::test_passes").failure == f"kernel lab: no image for kernel-1 in {tmp_path}"
    guests.finish()


def test_mistake_of_the_lab_itself_is_what_all_tests_say() -> None:
    def boot(name: str) -> Machine:
        raise ZeroDivisionError(name)

    guests = Team(boot, ["a.py::test_passes"], 1, {}, print)
    guests.start()
    assert "ZeroDivisionError: kernel-1" in outcome(guests, "a.py::test_passes").failure
    guests.finish()


def test_what_the_guest_does_not_have_fails_alone(run: Run) -> None:
    guests = run("a.py::test_missing", "a.py::test_passes")
    assert outcome(guests, "a.py::test_missing").failure == "it is not there"
    assert ran_in(guests, "a.py::test_passes")


def test_finishing_ends_a_guest_in_the_middle_of_a_test(run: Run) -> None:
    guests = run("a.py::test_passes", "a.py::test_falls_silent")
    assert ran_in(guests, "a.py::test_passes")
    guests.finish()
    assert guests.outcomes.wait("a.py::test_falls_silent", 0) is None


def test_modules_stay_whole_the_longest_first() -> None:
    tests = ["a::1", "b::1", "b::2", "c::1", "d::1", "d::2", "d::3"]
    assert by_module(tests, {}) == [["d::1", "d::2", "d::3"], ["b::1", "b::2"], ["a::1"], ["c::1"]]
    # c took long the last time; the others, of which nothing is known, count as many tests of that kind
    assert by_module(tests, {"c": 40.0, "b": 2.0})[:2] == [["d::1", "d::2", "d::3"], ["c::1"]]
    assert by_module(tests, {"c": 40.0, "b": 2.0, "d": 3.0, "a": 1.0})[0] == ["c::1"]


def test_share_that_comes_back_is_taken_before_all_others() -> None:
    shares = Shares([["a"], ["b"], ["c"]])
    assert shares.take() == ["a"]
    shares.give_back(["a2"])
    assert [shares.take() for _ in range(3)] == [["a2"], ["b"], ["c"]]
    for _ in range(3):
        shares.give_back([])
    assert shares.take() == []
