"""What a measurement gives, and how it is printed."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADINGS = ("", "", "median", "lowest to highest", "times kvmd", "")


@dataclass(frozen=True)
class Row:
    """What one contestant needed.

    :param group: rows of the same group did the same work; the first of them is kvmd
    :param name: the contestant
    :param samples: one for each round, in the table's unit
    :param note: what else is to be known
    """

    group: str
    name: str
    samples: Sequence[float]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


@dataclass(frozen=True)
class Table:
    """One measurement.

    :param unit: of all samples
    :param remarks: what a reader must know to judge the figures
    """

    title: str
    unit: str
    rows: Sequence[Row]
    remarks: Sequence[str] = ()

    def ratio(self, row: Row) -> float:
        """Return how much more than kvmd: the median over the rounds, so that what slowed a whole round cancels out."""
        first = next(other for other in self.rows if other.group == row.group)
        return statistics.median(mine / its for mine, its in zip(row.samples, first.samples, strict=True))


def to_text(table: Table) -> str:
    """Lay a table out for a terminal."""
    lines = [HEADINGS, *_cells(table)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    body = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    return "\n".join([f"{table.title} ({table.unit})", "", *body, "", *table.remarks])


def to_json(tables: Iterable[Table]) -> str:
    """Give all samples, for other programs."""
    return json.dumps([_plain(table) for table in tables], indent=2)


def _cells(table: Table) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = []
    seen = ""
    for row in table.rows:
        spread = f"{_number(min(row.samples))} to {_number(max(row.samples))}"
        group = row.group if row.group != seen else ""
        seen = row.group
        cells.append((group, row.name, _number(row.median), spread, f"{table.ratio(row):.2f}", row.note))
    return cells


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Put words to the left and numbers to the right."""
    numbers = range(2, 5)
    padded = zip(cells, widths, strict=True)
    return [
        cell.rjust(width) if column in numbers else cell.ljust(width) for column, (cell, width) in enumerate(padded)
    ]


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _plain(table: Table) -> dict[str, object]:
    rows = [
        {
            "group": row.group,
            "name": row.name,
            "samples": list(row.samples),
            "median": row.median,
            "times_kvmd": table.ratio(row),
            "note": row.note,
        }
        for row in table.rows
    ]
    return {"title": table.title, "unit": table.unit, "rows": rows, "remarks": list(table.remarks)}
