"""The roles: what the daemon says of them, and what is plugged in where it does not run."""

from collections.abc import Callable

import pytest

from kvmd.contract.reports import State, Status
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import roles
from kvmd_drivers.virtual import VirtualCapture
from tests.kvmd.doctor.conftest import Tree, named, without


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (State.ONLINE, []),
        (State.STARTING, []),
        (State.ABSENT, ["absent"]),
        (State.LOST, ["failing"]),
        (State.RETRYING, ["failing"]),
        (State.NO_SIGNAL, ["no-answer"]),
    ],
)
def test_a_state(tree: Tree, make_status: Callable[..., Status], state: State, kinds: list[str]) -> None:
    changed = {"state": state, "reason": "/dev/hidg0 may not be opened"}
    found = tree.look(roles, daemon=Daemon(make_status(hid=changed)))
    assert [each.kind for each in found] == kinds
    assert all("/dev/hidg0 may not be opened" in each.what for each in found)


def test_nobody_needs_power_buttons(tree: Tree, make_status: Callable[..., Status]) -> None:
    assert tree.kinds(roles, daemon=Daemon(make_status(power={"state": State.ABSENT}))) == []
    assert tree.kinds(roles, daemon=Daemon(make_status(power={"state": State.LOST}))) == ["failing"]


def test_what_a_driver_remarks(tree: Tree, make_status: Callable[..., Status]) -> None:
    remark = "1920x1080 at 60 needs 4 CSI lanes, this board has 2"
    [found] = tree.look(roles, daemon=Daemon(make_status(capture={"remarks": (remark,)})))
    assert (found.kind, found.what) == ("remark", f"capture: {remark}")


def test_without_the_daemon_what_is_plugged_in_counts(tree: Tree) -> None:
    assert tree.kinds(roles, roles=without("hid")) == ["absent"]
    assert tree.kinds(roles, roles=without("power")) == []


def test_a_driver_that_is_named_and_cannot_be_used(tree: Tree) -> None:
    class Bare(VirtualCapture):
        name = "bare"

        @classmethod
        def problem(cls) -> str | None:
            return "evdev is missing: apt install python3-evdev"

    [found] = tree.look(roles, drivers=[Bare], filled=named("capture", "bare"))
    assert (found.kind, "apt install" in found.what) == ("unusable-driver", True)
    assert tree.kinds(roles, drivers=[Bare], filled=named("capture", "auto")) == []
