"""The CPU time of handing one picture to one viewer, when many watch."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.table import Row, Table

HERE = Path(__file__).parent
SIZE = 84_000
FPS = 30
VIEWERS = 100
SECONDS = 5.0
SETTLE = 1.5
ROUNDS = 4

Say = Callable[[str], None]


def measure(say: Say) -> Table:
    """Compare kvmd's broadcaster with a bare loop in C and with a thread for each viewer."""
    with tempfile.TemporaryDirectory(prefix="kvmd-bench-") as folder:
        servers = _commands(Path(folder))
        results: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            for name, command in servers.items():
                results[name].append(_watch(command))
    rows = [_row(name, seen) for name, seen in results.items()]
    title = f"CPU time of one picture to one viewer: {SIZE // 1000} kB, {FPS} a second, {VIEWERS} viewers on loopback"
    remarks = [
        f"{ROUNDS} rounds of {SECONDS:g} s, contestants in turn; {VIEWERS * FPS} pictures a second are due.",
        "The viewers are a process of their own, which is not counted.",
    ]
    return Table(title, "µs", rows, remarks)


def _commands(folder: Path) -> dict[str, list[str]]:
    bare = folder / "epoll_server"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", bare, HERE / "epoll_server.c"], check=True)
    ours = [sys.executable, "-m", "bench.servers"]
    return {
        "kvmd": [*ours, "kvmd", str(SIZE), str(FPS)],
        "a bare epoll loop in C": [str(bare), str(SIZE), str(FPS)],
        "Flask, a thread for each viewer": [*ours, "threads", str(SIZE), str(FPS)],
    }


def _watch(command: list[str]) -> dict[str, float]:
    """Run a server and its viewers; see bench/viewers.py for what it gives."""
    with _running(command) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        watch = [sys.executable, "-m", "bench.viewers", f"--port={port}", f"--pid={server.pid}"]
        watch += [f"--viewers={VIEWERS}", f"--seconds={SECONDS}", f"--settle={SETTLE}"]
        result = subprocess.run(watch, cwd=HERE.parent, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: the viewers failed:\n{result.stderr}")
    seen: dict[str, float] = json.loads(result.stdout)
    return seen


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _row(name: str, seen: list[dict[str, float]]) -> Row:
    samples = [each["cpu"] / each["pictures"] * 1e6 for each in seen]
    shares = [each["pictures"] / each["seconds"] / (VIEWERS * FPS) for each in seen]
    return Row("", name, samples, f"{min(shares):.0%} to {max(shares):.0%} of what was due was delivered")
