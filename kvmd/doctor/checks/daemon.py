"""The daemon and its settings."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from kvmd.access.credentials import Credentials
from kvmd.doctor.case import UNIT, Case, Daemon
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

BAD_SETTINGS = Kind(
    "bad-settings",
    Severity.FAULT,
    "the settings cannot be used: {problem}",
    "the daemon does not start with them",
    "correct {source}, then: sudo systemctl restart kvmd",
)
NOT_INSTALLED = Kind(
    "not-installed",
    Severity.WARNING,
    "kvmd.service is not installed on this machine",
    "plugging in a device does not start the daemon, nor does a reboot",
    "install the package, or in a checkout: sudo make install",
)
NOT_ENABLED = Kind(
    "not-enabled",
    Severity.WARNING,
    "kvmd.service is not enabled",
    "neither a reboot nor a device that is plugged in starts the daemon",
    "sudo systemctl enable --now kvmd kvmd-gadget",
)
SILENT = Kind(
    "silent",
    Severity.WARNING,
    "{reason}",
    "without it there is no picture and no keyboard; what it alone knows was not looked at",
    "sudo systemctl start kvmd; why it ended: journalctl -u kvmd -e",
)
HANGS = Kind(
    "hangs",
    Severity.FAULT,
    "{hang}",
    "what waits for it does not go on",
    "sudo systemctl restart kvmd; if it comes again, write to whoever made the driver or plug-in, with `kvmd report`",
)
OPEN_SECRETS = Kind(
    "open-secrets",
    Severity.WARNING,
    "others than the daemon may use {path} (mode {mode})",
    "the hashes of passwords and API keys are in it",
    "sudo chmod 600 {path}",
)
FIRST_PASSWORD = Kind(
    "first-password",
    Severity.WARNING,
    "the password of the first start is still in force",
    "it stands in a file, and whoever has read it can log in",
    "sudo kvmd passwd",
)


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look whether it can start, starts, and answers; and who can get at its secrets."""
    if case.hidden:
        yield Unseen("the settings", f"{case.hidden}; those that are the default were looked at")
    if case.problem:
        yield BAD_SETTINGS.found(problem=case.problem, source=case.source)
    yield from _unit(case)
    yield from _answers(case.daemon)
    yield from _secrets(Path(case.settings.auth.file))


def _unit(case: Case) -> Iterator[Finding]:
    if not case.is_installed:
        yield NOT_INSTALLED.found()
    elif not case.machine.is_enabled(UNIT):
        yield NOT_ENABLED.found()


def _answers(daemon: Daemon) -> Iterator[Finding | Unseen]:
    if daemon.hidden:
        yield Unseen("what the daemon says", daemon.hidden)
    elif daemon.status is None:
        yield SILENT.found(reason=daemon.silence)
    else:
        yield from (HANGS.found(hang=hang) for hang in daemon.status.hung)


def _secrets(path: Path) -> Iterator[Finding | Unseen]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return  # the first start makes it
    except OSError:
        yield Unseen("the file with users and API keys", "its folder is for the daemon alone; use sudo")
        return
    if mode & 0o077:
        yield OPEN_SECRETS.found(path=path, mode=f"{mode:03o}")
    if Credentials(path).first_password_path.exists():
        yield FIRST_PASSWORD.found()
