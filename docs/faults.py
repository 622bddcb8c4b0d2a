"""The table of broken drivers, and what the conformance suite says of them: made from the tests of the suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.kvmd.testing.faults import FAULTS
from tests.kvmd.testing.faults.fault import Fault

HEAD = "| rule | a driver that breaks it | what the suite says | the contract |\n|---|---|---|---|"


def table() -> str:
    """Write a table for each kind of driver."""
    return "\n".join(_section(title, faults) for title, faults in FAULTS.items())


def _section(title: str, faults: Iterable[Fault]) -> str:
    return "\n".join([f"### {title}\n", HEAD, *_rows(faults), ""])


def _rows(faults: Iterable[Fault]) -> Iterator[str]:
    rule = ""
    for fault in faults:
        places = ", ".join(f"`{place}`" for place in fault.places)
        shown = (fault.rule, places) if fault.rule != rule else ("", "")
        rule = fault.rule
        yield f"| {shown[0]} | {fault.wrong} | `{fault.says}` | {shown[1]} |"
