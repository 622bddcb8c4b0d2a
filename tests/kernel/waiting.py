"""How the tests wait for what a kernel does in its own time."""

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T | None], what: str, timeout: float = 20, pause: float = 0.05) -> T:
    """Ask until the answer is true.

    :param what: what is being waited for, for the message
    :return: the first true answer
    """
    end = time.monotonic() + timeout
    while not (answer := probe()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s for {what}; the last answer was {answer!r}")
        time.sleep(pause)
    return answer


def run(*command: str, stdin: str = "", timeout: float = 60) -> str:
    """Run a program that must succeed; return what it printed."""
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout
