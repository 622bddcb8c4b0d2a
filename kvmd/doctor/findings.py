"""What the doctor may find, and what it has found."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec


class Severity(enum.Enum):
    """How bad it is."""

    WARNING = "warning"
    """It works, or is not needed at the moment; it will be missed."""
    FAULT = "fault"
    """Something that this machine is for does not work."""


class Kind(msgspec.Struct, frozen=True):
    """Something that may be found; its texts have {places} for what differs from one machine to another.

    :param name: its own, for programs and for the documentation
    :param what: what was found
    :param why: why it matters
    :param mend: what to do: a command or a line of a file, where there is one
    """

    name: str
    severity: Severity
    what: str
    why: str
    mend: str

    def found(self, **places: object) -> Finding:
        """Make a finding of this kind."""
        texts = (text.format(**places) for text in (self.what, self.why, self.mend))
        return Finding(self.name, self.severity, *texts)


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong.

    :param kind: the name of what it is, which docs/doctor.md lists
    :param severity: ``fault``, or ``warning``
    :param what: what was found
    :param why: why it matters
    :param mend: what to do
    """

    kind: str
    severity: Severity
    what: str
    why: str
    mend: str


class Unseen(msgspec.Struct, frozen=True):
    """Something that could not be looked at.

    :param what: what it is
    :param why: why not, with the way out
    """

    what: str
    why: str


class Diagnosis(msgspec.Struct, frozen=True):
    """What the doctor says.

    :param findings: what is wrong, faults first
    :param unseen: what could not be looked at
    """

    findings: Sequence[Finding]
    unseen: Sequence[Unseen]

    @property
    def exit_code(self) -> int:
        """The exit code of ``kvmd doctor``: 0 nothing is wrong, 1 warnings, 2 faults."""
        codes = {Severity.WARNING: 1, Severity.FAULT: 2}
        return max((codes[finding.severity] for finding in self.findings), default=0)
