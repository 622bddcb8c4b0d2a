"""The EDID, by which the source learns what it may send."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd import edid
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

NO_EDID = Kind(
    "no-edid",
    Severity.WARNING,
    "the source sees no EDID",
    "it takes no screen to be there, and most then send no picture",
    "sudo kvmd edid set 1080p60, or 1080p50-2lane on two CSI lanes",
)
BAD_EDID = Kind(
    "bad-edid",
    Severity.WARNING,
    "the EDID that the source sees is damaged: {problem}",
    "sources ignore such an EDID, and send nothing, or a small picture",
    "set another one, as docs/edid.md says: on the page, or with kvmd edid",
)


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at the one in force; whether it fits the lanes is among the remarks of the capture driver."""
    data = case.daemon.edid
    if data is None:
        return
    report = edid.report(data)
    if not data:
        yield NO_EDID.found()
    elif report.problem:
        yield BAD_EDID.found(problem=report.problem)
