"""``python -m bench [encode] [broadcast] [streamer] [--json]``."""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from bench import broadcast, encode, streamer
from bench.table import Table, to_json, to_text

Say = Callable[[str], None]

MEASUREMENTS: dict[str, Callable[[Say], Table | None]] = {
    "encode": encode.measure,
    "broadcast": broadcast.measure,
    "streamer": streamer.measure,
}


def main() -> None:
    """Measure what was named, or all."""
    arguments = _parse()
    tables = []
    for name in arguments.names or MEASUREMENTS:
        table = MEASUREMENTS[name](partial(say, name))
        if table is None:
            continue
        tables.append(table)
        if not arguments.json:
            print(f"\n{to_text(table)}\n", flush=True)
    if arguments.json:
        print(to_json(tables))


def say(name: str, text: str) -> None:
    """Tell how far a measurement is, beside the results."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure kvmd against other programs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(MEASUREMENTS)}; all, if none is named")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"{unknown[0]}: no such measurement; there are {', '.join(MEASUREMENTS)}")
    return arguments


if __name__ == "__main__":
    main()
