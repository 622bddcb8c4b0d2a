"""kvmd against µStreamer on a virtual capture card, in the kernel lab's guest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.kernel.test_streamers import FPS, ROUNDS, SCENARIOS, SECONDS, STREAMERS, VIEWERS
from bench.table import Row, Table
from tests.lab import tools
from tests.lab.shares import module_of
from tests.lab.workshop import Workshop

CHECKOUT = Path(__file__).parents[1]
TEST = "bench/kernel/test_streamers.py::test_streamer"

NAMES = {"kvmd": "kvmd", "ustreamer": "µStreamer"}
GROUPS = {
    "moving": f"{VIEWERS} viewers, every picture differs: for each delivered picture",
    "still": f"{VIEWERS} viewers, the picture stands still: for each second",
    "nobody": "nobody watches: for each second",
}

Say = Callable[[str], None]
Seen = dict[str, dict[str, float]]
"""For each scenario what bench.viewers tells."""


def measure(say: Say) -> Table | None:
    """Boot the guest, run the streamers in turn, and gather what they needed."""
    if tools.missing():
        say(f"left out: {tools.missing()}")
        return None
    nodeids = [f"{TEST}[{name}-{number}]" for number in range(ROUNDS) for name in STREAMERS]
    seen = _run(nodeids, say)
    rows = [_row(scenario, name, seen[name]) for scenario in SCENARIOS for name in STREAMERS]
    remarks = [
        f"vivid, 1280x720 YUYV, {FPS} a second; {ROUNDS} rounds of {SECONDS:g} s, contestants in turn; "
        f"{VIEWERS * FPS} pictures a second are due.",
        "µStreamer with --drop-same-frames=30 --slowdown, its options for saving work.",
        "The guest's CPU is emulated, and emulation slows some instructions down more than others:",
        "take the ratios for what they are, and no time here for that of a real board.",
    ]
    return Table("CPU time of a whole streamer, in a guest", "ms of one core", rows, remarks)


def _run(nodeids: list[str], say: Say) -> dict[str, list[Seen]]:
    """Return, for each streamer, what was seen in each round."""
    workshop = Workshop(CHECKOUT, ["--tb=short", module_of(TEST)], say)
    machine = workshop.boot("bench")
    seen: dict[str, list[Seen]] = {name: [] for name in STREAMERS}
    try:
        machine.start()
        while machine.receive()["kind"] != "hello":
            pass
        machine.run(nodeids)
        while not all(len(rounds) == ROUNDS for rounds in seen.values()):
            _take(machine.receive(), seen, say)
    finally:
        machine.stop()
        workshop.close()
    return seen


def _take(message: dict[str, Any], seen: dict[str, list[Seen]], say: Say) -> None:
    """Note the results of a test that was run; a failed one ends the measurement."""
    if message["kind"] == "missing":
        raise RuntimeError(message["text"])
    if message["kind"] != "report":
        return
    report = message["report"]
    if report["outcome"] != "passed":
        crash = report["longrepr"]["reprcrash"]
        raise RuntimeError(f"{report['nodeid']} {report['outcome']} in the guest: {crash['message']}")
    if report["when"] == "call":
        name = report["nodeid"].partition("[")[2].partition("-")[0]
        properties = dict(report["user_properties"])
        seen[name].append({scenario: properties[scenario] for scenario in SCENARIOS})
        figures = ", ".join(f"{scenario} {_figure(scenario, properties[scenario]):.0f}" for scenario in SCENARIOS)
        say(f"round {properties['round'] + 1} of {ROUNDS}: {NAMES[name]}: {figures}")


def _row(scenario: str, name: str, seen: list[Seen]) -> Row:
    rounds = [each[scenario] for each in seen]
    samples = [_figure(scenario, each) for each in rounds]
    rate = sum(each["pictures"] for each in rounds) / sum(each["seconds"] for each in rounds)
    note = f"{rate:.1f} of {rounds[-1]['size'] / 1000:.0f} kB a second delivered" if rate else ""
    return Row(GROUPS[scenario], NAMES[name], samples, note)


def _figure(scenario: str, seen: dict[str, float]) -> float:
    """Return the milliseconds of CPU time for each picture where all are to be delivered, else for each second."""
    return seen["cpu"] * 1000 / seen["pictures" if scenario == "moving" else "seconds"]
