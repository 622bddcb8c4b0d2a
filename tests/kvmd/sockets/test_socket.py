"""What is said on a socket, with a real client and a whole daemon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Daemon
from tests.sockets import Socket
from tests.waiting import eventually

SHIFT = 2
KEY_A = 4


@pytest.fixture
def socket(daemon: Daemon) -> Iterator[Socket]:
    with Socket(daemon) as socket:
        yield socket
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def test_it_greets_and_tells_all_there_is(daemon: Daemon, socket: Socket) -> None:
    hello, status, clients = (socket.receive() for _ in range(3))
    assert isinstance(hello, dict)
    assert isinstance(status, dict)
    assert isinstance(clients, dict)
    assert (hello["type"], hello["version"], hello["who"], hello["role"]) == ("hello", 1, "admin", "admin")
    assert hello["bounds"] == {"late": 2000, "silent": 2000, "message": 65536}
    assert status["type"] == "status"
    assert status["status"].keys() == daemon.status().keys()
    me = {"number": hello["number"], "who": "admin", "role": "admin", "typing": False, "watching": False}
    assert clients["clients"] == [me]


def test_keys_are_typed_and_the_answer_comes_once_they_are(daemon: Daemon, socket: Socket) -> None:
    before = daemon.computer.state().cursor
    assert socket.do("tap", keys=["KeyA"])["info"] == ""
    assert daemon.computer.state().cursor != before
