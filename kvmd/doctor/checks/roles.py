"""Capture, HID and power, as the daemon says: signal, host, EDID and lanes are among its reasons and remarks."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.contract.reports import CaptureReport, HidReport, PowerReport, State
from kvmd.contract.roles import CAPTURE, HID, POWER
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

UNUSABLE_DRIVER = Kind(
    "unusable-driver",
    Severity.FAULT,
    "the driver {driver}, which is to be used for {role}, cannot be used here: {problem}",
    "{role} does not work",
    "do what the first line says, or set {role}.driver to another one; `kvmd drivers` lists them",
)
ABSENT = Kind(
    "absent",
    Severity.WARNING,
    "{role}: {reason}",
    "without a device there is nothing to see or to type with",
    "plug it in, or name its driver in {role}.driver; `kvmd devices` shows what is plugged in, and what is for it",
)
FAILING = Kind(
    "failing",
    Severity.FAULT,
    "{role}: {state}: {reason}",
    "{role} does not work",
    "do what the first line says, or look for its words on the page of the driver {driver}",
)
NO_ANSWER = Kind(
    "no-answer",
    Severity.WARNING,
    "{role}: {reason}",
    "the device works, and nothing answers at the other end of its cable",
    "switch the target on or wake it, and look at the cable at both ends",
)
REMARK = Kind(
    "remark",
    Severity.WARNING,
    "{role}: {remark}",
    "it works less well than it could",
    "do what the first line says",
)

_NEEDED = (CAPTURE.name, HID.name)
"""A KVM without a power button is one."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at each role."""
    for driver in case.drivers:
        problem = driver.problem()
        for role in case.filled:
            if problem and case.wants(role, driver.name):
                yield UNUSABLE_DRIVER.found(driver=driver.name, role=role, problem=problem)
    status = case.daemon.status
    if status is None:
        yield from _unfilled(case)
        return
    for role, report in ((CAPTURE.name, status.capture), (HID.name, status.hid), (POWER.name, status.power)):
        yield from _judge(role, report)


def _unfilled(case: Case) -> Iterator[Finding]:
    for role in _NEEDED:
        if case.lacks(role):
            yield ABSENT.found(role=role, reason=case.roles[role].problem)


def _judge(role: str, report: CaptureReport | HidReport | PowerReport) -> Iterator[Finding]:
    if report.state in (State.LOST, State.RETRYING):
        yield FAILING.found(role=role, state=report.state.value, reason=report.reason, driver=report.driver)
    elif report.state is State.NO_SIGNAL:
        yield NO_ANSWER.found(role=role, reason=report.reason)
    elif report.state is State.ABSENT and role in _NEEDED:
        yield ABSENT.found(role=role, reason=report.reason)
    for remark in report.remarks:
        yield REMARK.found(role=role, remark=remark)
