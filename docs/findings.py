"""The tables of findings in docs/doctor.md, made from the checks."""

from __future__ import annotations

import re
from types import ModuleType

from kvmd.doctor.examination import CHECKS, kinds
from kvmd.doctor.findings import Kind

HEAD = ["| finding | | what | why it matters | what to do |", "|---|---|---|---|---|"]


def tables() -> str:
    """Write a table for each check, under what its file is about."""
    return "\n".join(line for check in CHECKS for line in _table(check))


def _table(check: ModuleType) -> list[str]:
    title = (check.__doc__ or "").partition("\n")[0].rstrip(".")
    return [f"### {title}", "", *HEAD, *map(_row, kinds(check)), ""]


def _row(kind: Kind) -> str:
    cells = (_cell(text) for text in (kind.what, kind.why, kind.mend))
    return f"| `{kind.name}` | {kind.severity.value} | {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Write a text with a word in capitals for each of its places."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda place: place[1].upper(), text).replace("|", "\\|")
