"""The examination: every check, in the order in which they are made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import ModuleType

from kvmd.doctor.case import Case
from kvmd.doctor.checks import (
    certificate,
    clock,
    daemon,
    dongles,
    edid,
    firmware,
    gadget,
    kernel,
    memory,
    nodes,
    plugins,
    programs,
    roles,
    rules,
    serial,
    storage,
    supply,
)
from kvmd.doctor.findings import Diagnosis, Finding, Kind, Severity, Unseen

logger = logging.getLogger(__name__)

CHECKS: tuple[ModuleType, ...] = (
    daemon,
    plugins,
    roles,
    edid,
    dongles,
    gadget,
    firmware,
    serial,
    nodes,
    rules,
    kernel,
    programs,
    certificate,
    clock,
    storage,
    memory,
    supply,
)
"""What comes first is what the others may follow from."""


def examine(case: Case) -> Diagnosis:
    """Make every check; one that fails takes none of the others with it."""
    seen = [each for check in CHECKS for each in _made(check, case)]
    findings = [each for each in seen if isinstance(each, Finding)]
    unseen = [each for each in seen if isinstance(each, Unseen)]
    return Diagnosis(sorted(findings, key=lambda each: each.severity is not Severity.FAULT), unseen)


def kinds(check: ModuleType) -> list[Kind]:
    """List what a check may find, in the order in which its file has them."""
    return [value for value in vars(check).values() if isinstance(value, Kind)]


def _made(check: ModuleType, case: Case) -> Iterator[Finding | Unseen]:
    name = check.__name__.rpartition(".")[2]
    try:
        yield from check.look(case)
    except Exception as error:  # the machine may be in any state, which is why somebody asks
        logger.exception("the check %s failed", name)
        yield Unseen(f"the rest of {name}", f"this check itself failed: {error!r}; please send `kvmd report`")
