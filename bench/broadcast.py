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
CROWDS = (1, 10, 50, 100)
TLS = "kvmd, with TLS"
SOCKET = "kvmd, on sockets that confirm"
OPTIONS = {TLS: ["--tls"], SOCKET: ["--socket", "--path=/socket"]}
"""Of bench/viewers.py, where it is not a plain stream."""
SECONDS = 3.0
SETTLE = 1.5
ROUNDS = 3

Say = Callable[[str], None]


def measure(say: Say) -> Table:
    """Compare kvmd's server, also with TLS and on sockets, with a bare loop in C and a thread for each viewer."""
    with tempfile.TemporaryDirectory(prefix="kvmd-bench-") as folder:
        servers = _commands(Path(folder))
        results: dict[tuple[int, str], list[dict[str, float]]] = {
            (viewers, name): [] for viewers in CROWDS for name in servers
        }
        for number in range(ROUNDS):
            for (viewers, name), seen in results.items():
                say(f"round {number + 1} of {ROUNDS}: {viewers} viewers: {name}")
                seen.append(_watch(servers[name], viewers, OPTIONS.get(name, [])))
    rows = [_row(viewers, name, seen) for (viewers, name), seen in results.items()]
    title = f"CPU time of one picture to one viewer: {SIZE // 1000} kB, {FPS} a second, on loopback"
    remarks = [
        f"{ROUNDS} rounds of {SECONDS:g} s, contestants in turn; {FPS} pictures a second are due for each viewer.",
        "The viewers are a process of their own, which is not counted; nor is the capture or encoding of a picture.",
    ]
    return Table(title, "µs", rows, remarks)


def _commands(folder: Path) -> dict[str, list[str]]:
    bare = folder / "epoll_server"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", bare, HERE / "epoll_server.c"], check=True)
    ours = [sys.executable, "-m", "bench.servers"]
    return {
        "kvmd": [*ours, "kvmd", str(SIZE), str(FPS)],
        TLS: [*ours, "kvmd-tls", str(SIZE), str(FPS)],
        SOCKET: [*ours, "kvmd", str(SIZE), str(FPS)],
        "a bare epoll loop in C": [str(bare), str(SIZE), str(FPS)],
        "Flask, a thread for each viewer": [*ours, "threads", str(SIZE), str(FPS)],
    }


def _watch(command: list[str], viewers: int, options: list[str]) -> dict[str, float]:
    """Run a server and its viewers; see bench/viewers.py for what it gives."""
    with _running(command) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        watch = [sys.executable, "-m", "bench.viewers", f"--port={port}", f"--pid={server.pid}"]
        watch += [f"--viewers={viewers}", f"--seconds={SECONDS}", f"--settle={SETTLE}", *options]
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


def _row(viewers: int, name: str, seen: list[dict[str, float]]) -> Row:
    samples = [each["cpu"] / each["pictures"] * 1e6 for each in seen]
    shares = [each["pictures"] / each["seconds"] / (viewers * FPS) for each in seen]
    note = f"{min(shares):.0%} to {max(shares):.0%} of what was due was delivered"
    return Row(f"{viewers} viewers", name, samples, note)
