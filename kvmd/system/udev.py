"""The rules of udev that are ours to write, and udev told of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from kvmd.errors import KvmdError
from kvmd.system.files import remove, write_public

RULES = Path("/etc/udev/rules.d/70-kvmd-plugins.rules")
"""Beside /usr/lib/udev/rules.d/70-kvmd.rules, which comes with kvmd."""

CONTROL = Path("/run/udev/control")
"""Where udev is told something, while it runs."""

PATIENCE = 60.0
"""Seconds for udev to take it."""


def replace_rules(text: str) -> bool:
    """Put these rules in the place of those before, none where the text is empty.

    Devices that are plugged in already are looked at, too.

    :return: whether udev runs; else the rules hold from its next start on
    :raises KvmdError: the file cannot be written, or udev fails
    """
    try:
        before = RULES.read_text() if RULES.exists() else ""
        if text:
            write_public(RULES, text.encode())
        else:
            remove(RULES)
    except OSError as error:
        way_out = "; run this as root, with sudo" if isinstance(error, PermissionError) else ""
        raise KvmdError(f"{RULES} cannot be changed: {error.strerror}{way_out}") from error
    if not CONTROL.exists():
        return False
    _tell("control", "--reload")
    if subsystems := set(re.findall('SUBSYSTEM=="(.+?)"', before + text)):
        _tell("trigger", *(f"--subsystem-match={name}" for name in sorted(subsystems)))
    return True


def _tell(*words: str) -> None:
    """Run udevadm.

    :raises KvmdError: it fails
    """
    command = [shutil.which("udevadm") or "udevadm", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603  # words of ours
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KvmdError(f"{RULES} is changed, and udev does not know yet: {error}") from error
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise KvmdError(f"{RULES} is changed, and udev does not know yet: udevadm {words[0]}: {said}")
