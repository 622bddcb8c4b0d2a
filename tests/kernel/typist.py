"""The installed daemon with its USB gadget on a cable: what is asked of it over HTTP arrives at the host's inputs."""

from collections.abc import Iterator
from typing import Any

import pytest

from kvmd.input.keymap import find_keys

from .daemon import Daemon
from .dummy_hcd import DummyHcd
from .host_input import Press
from .waiting import eventually, run

NAME = "kvmd"
"""A part of the names under which the host knows our keyboard, keys and mice."""


@pytest.fixture(scope="module")
def controller() -> Iterator[DummyHcd]:
    """The controller for all tests of a module; udev starts kvmd-gadget.service, which makes the gadget on it."""
    controller = DummyHcd()
    controller.load()
    yield controller
    controller.unload()
    run("kvmd", "gadget", "down")


@pytest.fixture(scope="module")
def running(controller: DummyHcd, daemon: Daemon) -> Daemon:
    """The daemon, started once, with its gadget plugged into the host."""
    assert controller.udc
    # a client that is slow is not silent
    daemon.start("[hid]\nhold_timeout = 600\n")
    return daemon


@pytest.fixture
def typist(running: Daemon) -> Daemon:
    """The daemon, ready to type."""
    wait_until_online(running)
    return running


def wait_until_online(daemon: Daemon) -> None:
    """Wait until the host takes reports."""
    eventually(lambda: hid(daemon)["state"] == "online", "HID to be online")


def hid(daemon: Daemon) -> dict[str, Any]:
    """How HID stands, as the status tells it."""
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["hid"]
    return status


def tap(daemon: Daemon, *names: str) -> None:
    """Press keys together and release them."""
    answer = daemon.request("POST", "/keyboard", {"keycodes": list(names)})
    assert answer.code == 200, answer
    assert answer.json == {"status": 1, "info": "key input success", "data": []}


def presses(*names: str) -> list[Press]:
    """Return the key events of these keys, tapped one after another."""
    return [(find_keys(name)[0].evdev, value) for name in names for value in (1, 0)]
