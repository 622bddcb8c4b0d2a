"""Log lines about strangers: short, one line each, and not without end."""

import logging
from types import SimpleNamespace

import pytest

from kvmd.system import rate
from kvmd.system.logs import SparingLog, printable
from tests.shadow import shadow


def test_lines_that_are_left_out_are_counted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = SimpleNamespace(now=0.0)
    shadow(monkeypatch, rate, "time", monotonic=lambda: clock.now)
    log = SparingLog(logging.getLogger("test"), most=2)
    for number in range(5):
        log.log(logging.WARNING, "one", "line %d", number)
    log.log(logging.WARNING, "other", "line of another kind")
    clock.now += 60
    log.log(logging.WARNING, "one", "line %d", 5)
    log.log(logging.WARNING, "one", "line %d", 6)
    assert [record.getMessage() for record in caplog.records] == [
        "line 0",
        "line 1",
        "line of another kind",
        "line 5 (3 more lines like this were left out)",
        "line 6",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/api/status", "/api/status"),
        ("a\nb\r\x1b[0m\u2028", r"a\nb\r\x1b[0m\u2028"),
        ("Kürzel", "Kürzel"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 64 + "…"),
    ],
)
def test_what_strangers_send_is_one_short_line(text: str, shown: str) -> None:
    assert printable(text) == shown
