"""Rules for udev: put in place, taken away, and udev told; a program of the test's stands for udevadm."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from kvmd.errors import KvmdError
from kvmd.system import files, udev
from kvmd.system.udev import replace_rules
from tests.shadow import shadow

HIDRAW, TTY = 'SUBSYSTEM=="hidraw", TAG+="systemd"\n', 'SUBSYSTEM=="tty", TAG+="systemd"\n'


@dataclass
class Udev:
    """A udev that runs, and keeps what it is told; a second line is what it complains about."""

    rules: Path
    control: Path
    program: Path
    told: Path

    def heard(self) -> list[str]:
        found = self.told.read_text().splitlines() if self.told.exists() else []
        self.told.unlink(missing_ok=True)
        return found

    def fail(self, words: str) -> None:
        self.program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Udev:
    made = Udev(tmp_path / "rules.d/70.rules", tmp_path / "control", tmp_path / "bin/udevadm", tmp_path / "told")
    made.rules.parent.mkdir()
    made.program.parent.mkdir()
    made.control.touch()
    made.program.write_text(f'#!/bin/sh\necho "$@" >> {made.told}\n')
    made.program.chmod(0o755)
    monkeypatch.setenv("PATH", str(made.program.parent))
    monkeypatch.setattr(udev, "RULES", made.rules)
    monkeypatch.setattr(udev, "CONTROL", made.control)
    return made


def test_udev_reads_rules_that_are_new_and_looks_at_the_devices_of_these_and_of_those_before(system: Udev) -> None:
    assert replace_rules(HIDRAW)
    assert (system.rules.read_text(), system.rules.stat().st_mode & 0o777) == (HIDRAW, 0o644)
    assert system.heard() == ["control --reload", "trigger --subsystem-match=hidraw"]
    assert replace_rules(TTY + TTY)
    assert system.heard() == ["control --reload", "trigger --subsystem-match=hidraw --subsystem-match=tty"]
    assert [path.name for path in system.rules.parent.iterdir()] == ["70.rules"]


def test_rules_that_are_taken_away_leave_nothing(system: Udev) -> None:
    replace_rules(TTY)
    system.heard()
    for expected in (["control --reload", "trigger --subsystem-match=tty"], ["control --reload"]):
        assert replace_rules("")
        assert system.heard() == expected
        assert not list(system.rules.parent.iterdir())


def test_where_udev_does_not_run_the_rules_wait_for_it(system: Udev) -> None:
    system.control.unlink()
    assert not replace_rules(TTY)
    assert (system.rules.read_text(), system.heard()) == (TTY, [])


def test_what_keeps_udev_from_heeding_them_is_said(system: Udev) -> None:
    system.fail("Failed to send reload request:\nPermission denied")
    with pytest.raises(KvmdError) as caught:
        replace_rules(TTY)
    why = "udevadm control: Failed to send reload request: Permission denied"
    assert str(caught.value) == f"{system.rules} is changed, and udev does not know yet: {why}"
    system.program.unlink()
    with pytest.raises(KvmdError, match=r"udev does not know yet: .*No such file or directory: 'udevadm'"):
        replace_rules(TTY)


def test_where_there_is_no_folder_for_rules_it_is_said(system: Udev) -> None:
    system.rules.parent.rmdir()
    with pytest.raises(KvmdError) as caught:
        replace_rules(TTY)
    assert str(caught.value) == f"{system.rules} cannot be changed: No such file or directory"


def test_who_may_not_is_told_who_may(system: Udev, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    shadow(monkeypatch, files, "tempfile", mkstemp=deny)
    with pytest.raises(KvmdError) as caught:
        replace_rules(TTY)
    assert str(caught.value) == f"{system.rules} cannot be changed: Permission denied; run this as root, with sudo"
    assert system.heard() == []
