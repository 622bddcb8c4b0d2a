"""kvmd against µStreamer on a virtual capture card, in the kernel lab's guest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.kernel.test_streamers import FPS, ROUNDS, SCENARIOS, SECONDS, STREAMERS, VIEWERS
from bench.table import Row, Table
from tests.lab import image, tools
from tests.lab.machine import Limits, Machine

CHECKOUT = Path(__file__).parents[1]
TEST = "bench/kernel/test_streamers.py::test_streamer"
LIMITS = Limits(total=900, silence=180)

NAMES = {"kvmd": "kvmd", "ustreamer": "µStreamer"}
GROUPS = {
    "moving": f"{VIEWERS} viewers, every picture differs",
    "still": f"{VIEWERS} viewers, the picture stands still",
    "nobody": "nobody watches",
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
        f"vivid, 1280x720 YUYV, {FPS} a second; {ROUNDS} rounds of {SECONDS:g} s, the contestants in turn in each.",
        "µStreamer with --drop-same-frames=30 --slowdown, its options for saving work.",
        "The guest's CPU is emulated, and emulation slows some instructions down more than others:",
        "take the ratios for what they are, and no time here for that of a real board.",
    ]
    return Table("CPU time of a whole streamer, in a guest", "ms of one core for each second", rows, remarks)


def _run(nodeids: list[str], say: Say) -> dict[str, list[Seen]]:
    """Return, for each streamer, what was seen in each round."""
    machine = Machine(image.cached(CHECKOUT, say), CHECKOUT / "build" / "bench", LIMITS)
    seen: dict[str, list[Seen]] = {name: [] for name in STREAMERS}
    say("booting the guest")
    said_bye = False
    try:
        machine.start(CHECKOUT, nodeids, ["--tb=short"])
        while not said_bye:
            message = machine.receive()
            said_bye = message["kind"] == "bye"
            _take(message, seen, say)
    finally:
        machine.stop(20 if said_bye else 0)
    if not all(len(rounds) == ROUNDS for rounds in seen.values()):
        raise RuntimeError(f"the guest did not run every test; see {machine.logs}")
    return seen


def _take(message: dict[str, Any], seen: dict[str, list[Seen]], say: Say) -> None:
    """Note the results of a test that was run; a failed one ends the measurement."""
    if message["kind"] == "uncollected":
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
        figures = ", ".join(f"{scenario} {_load(properties[scenario]):.0f}" for scenario in SCENARIOS)
        say(f"round {properties['round'] + 1} of {ROUNDS}: {NAMES[name]}: {figures}")


def _row(scenario: str, name: str, seen: list[Seen]) -> Row:
    rounds = [each[scenario] for each in seen]
    return Row(GROUPS[scenario], NAMES[name], [_load(each) for each in rounds], _note(rounds))


def _load(seen: dict[str, float]) -> float:
    """Return the milliseconds of CPU time for each second."""
    return seen["cpu"] / seen["seconds"] * 1000


def _note(rounds: list[dict[str, float]]) -> str:
    """Say what was delivered for it."""
    pictures = sum(each["pictures"] for each in rounds)
    if not pictures:
        return ""
    rate = pictures / sum(each["seconds"] for each in rounds)
    size = rounds[-1]["size"] / 1000
    cost = sum(each["cpu"] for each in rounds) / pictures * 1000
    return f"{rate:.1f} pictures of {size:.0f} kB a second delivered, {cost:.3g} ms for each"
