"""What tests of the client share: a daemon with TLS."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Daemon
from tests.kvmd.web.test_secure import web


@pytest.fixture(scope="module")
def secure(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    with make_daemon(web=web()).running() as daemon:
        yield daemon
