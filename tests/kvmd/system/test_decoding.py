"""msgspec's fault of first decoding a type in two threads at once, and that decoding in one place guards against it."""

import subprocess
import sys

import msgspec
import pytest

from kvmd.system.decoding import decode_json, to_struct

RACE = """
import sys, threading, msgspec
from kvmd.system.decoding import decode_json, to_struct

THREADS, TYPES = 8, 400
sys.setswitchinterval(1e-6)

def make(number):
    inner = msgspec.defstruct(f"Inner{number}", [("a", str), ("b", int, 0)])
    return msgspec.defstruct(f"Outer{number}", [("users", dict[str, str], {}), ("keys", dict[str, inner], {})])

shapes = [make(number) for number in range(TYPES)]
barrier = threading.Barrier(THREADS)
given = {"keys": {"k": {"a": "x"}}}
text = msgspec.json.encode(given)
decode = {
    "bare": lambda shape: msgspec.json.decode(text, type=shape),
    "decode_json": lambda shape: decode_json(text, shape),
    "to_struct": lambda shape: to_struct(given, shape),
}[sys.argv[1]]

def work():
    for shape in shapes:
        barrier.wait()
        assert decode(shape).keys["k"].a == "x"

threads = [threading.Thread(target=work) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""

TRIES = 10


def race(how: str) -> subprocess.CompletedProcess[str]:
    """Decode many types, each for the first time in eight threads at once."""
    return subprocess.run([sys.executable, "-c", RACE, how], capture_output=True, text=True, check=False)


def test_the_bare_library_fails() -> None:
    """As long as it does the guard is needed, and the other tests can fail."""
    for _ in range(TRIES):
        ran = race("bare")
        if ran.returncode:
            assert ran.returncode < 0, ran.stderr
            return
    pytest.skip(
        f"msgspec {msgspec.__version__} decodes a new type in several threads: the guard may go, see docs/upstream.md"
    )


@pytest.mark.parametrize("how", ["decode_json", "to_struct"])
def test_the_guarded_way_does_not(how: str) -> None:
    for _ in range(3):
        ran = race(how)
        assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


class Inner(msgspec.Struct):
    a: int


class Outer(msgspec.Struct):
    inner: Inner


def test_what_is_wrong_is_told_as_by_the_library() -> None:
    assert decode_json(b'{"inner": {"a": 1}}', Outer) == to_struct({"inner": {"a": 1}}, Outer) == Outer(Inner(1))
    with pytest.raises(msgspec.ValidationError, match="Expected `int`, got `str`"):
        decode_json(b'{"inner": {"a": "1"}}', Outer)
    with pytest.raises(msgspec.ValidationError, match="Expected `int`, got `str`"):
        to_struct({"inner": {"a": "1"}}, Outer)
    with pytest.raises(msgspec.DecodeError, match="truncated"):
        decode_json(b"{", Outer)
