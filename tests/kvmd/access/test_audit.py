"""Who did what, from where: in the log, in the journal, and for admins."""

import logging
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from kvmd.access.audit import KEPT, KEPT_APART, Audit
from kvmd.access.grant import Grant, UserRole
from kvmd.system import journal
from kvmd.system.journal import JournalHandler
from tests.waiting import patience

ANN = Grant("session:1", "ann", UserRole.OPERATOR, "192.0.2.1")


def test_entries_say_who_what_and_from_where(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit()
    with caplog.at_level(logging.INFO):
        audit.note("power", "ann", "192.0.2.1", "pressed power")
        audit.note("users", "root", "", "user 'bob' was removed")
    (one, two) = audit.entries()
    assert (one.what, one.who, one.address, one.detail) == ("power", "ann", "192.0.2.1", "pressed power")
    assert two.at >= one.at
    assert [record.getMessage() for record in caplog.records] == [
        "power: 'ann' from 192.0.2.1: pressed power",
        "users: 'root' from here: user 'bob' was removed",
    ]


def test_refusals_push_out_nothing_else_and_have_bounds(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit()
    audit.note("login", "ann", "192.0.2.1", "logged in")
    for _ in range(3000):
        audit.note("refusal", "x" * 5000, "192.0.2.2", "wrong")
    entries = audit.entries()
    assert entries[0].what == "login"
    assert len(entries) == 1 + KEPT_APART
    assert all(len(entry.who) < 70 for entry in entries)
    assert len(caplog.records) <= 31
    for _ in range(2 * KEPT):
        audit.note("login", "ann", "192.0.2.1", "logged in")
    assert len(audit.entries()) == KEPT + KEPT_APART


def test_hand_overs_push_out_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    audit = Audit()
    audit.note("power", "ann", "192.0.2.1", "pressed")
    for _ in range(3000):
        audit.note("keyboard", "bob", "192.0.2.2", "took the keyboard")
    assert [entry.what for entry in audit.entries()] == ["power", *["keyboard"] * KEPT_APART]
    assert len(caplog.records) <= 32


def test_typing_is_noted_where_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("kvmd.access.audit.time", SimpleNamespace(monotonic=lambda: clock.now))
    audit = Audit()
    for _ in range(100):
        clock.now += 800
        audit.typed(ANN)
    assert [entry.detail for entry in audit.entries()] == ["began to type or point"]
    clock.now += 901
    audit.typed(ANN)
    assert len(audit.entries()) == 2


def test_the_journal_has_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(path))
        reader.settimeout(patience())
        monkeypatch.setattr(journal, "SOCKET", str(path))
        handler = JournalHandler()
        record = logging.LogRecord("kvmd.audit", logging.WARNING, "", 0, "%s\n%s", ("two", "lines"), None)
        record.journal = {"KVMD_WHO": "ann"}
        handler.emit(record)
        handler.close()
        assert reader.recv(4096) == (
            b"MESSAGE\n" + (9).to_bytes(8, "little") + b"two\nlines\nPRIORITY=4\nSYSLOG_IDENTIFIER=kvmd\nKVMD_WHO=ann\n"
        )


def test_where_the_journal_takes_nothing_stderr_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "nobody"))
    handler = JournalHandler()
    handler.emit(logging.LogRecord("kvmd.audit", logging.WARNING, "", 0, "a line", (), None))
    handler.close()
    assert capsys.readouterr().err == "a line\n"
