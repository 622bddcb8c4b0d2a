"""One at a time: several runs may share a checkout and a cache."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]


@contextmanager
def locked(path: Path, say: Say, reason: str) -> Iterator[None]:
    """Hold a lock file.

    :param say: told that we wait, if we must
    :param reason: what we wait for
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {reason}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
