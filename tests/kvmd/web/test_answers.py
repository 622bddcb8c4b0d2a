"""What every answer has in common, and what the log says of those that fail."""

import logging

import pytest

from kvmd.system.logs import SparingLog
from tests.conftest import PASSWORD, USER, Daemon

LOGIN = {"username": USER, "password": PASSWORD}


def test_a_password_file_that_is_broken_is_told_to_the_log_alone_and_once(
    daemon: Daemon, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmd.web._log_once", SparingLog(logging.getLogger("kvmd.web"), most=1))
    path = daemon.kvm.auth.credentials.path
    before = path.read_bytes()
    path.write_text("{")
    try:
        answers = [
            *(daemon.post("/login_api", LOGIN, token="") for _ in range(3)),
            *(daemon.get("/api/status") for _ in range(3)),
        ]
    finally:
        path.write_bytes(before)
    for answer in answers:
        assert (answer.code, answer.json["info"]) == (500, "the daemon failed at this; its log says why")
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    reason = f"{path}: cannot be read: Input data was truncated; auth.file says where it is"
    assert [line for line in said if "cannot be read" in line] == [f"POST /login_api failed: {reason}"]
    assert daemon.get("/api/status").code == 200


def test_a_path_makes_one_short_line_of_the_log(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr("kvmd.web.pages.send_from_directory", fail)
    assert daemon.get("/static/a%1b[31m%c2%85ERROR%20forged" + "x" * 100).code == 500
    [record] = [record for record in caplog.records if record.name == "kvmd.web"]
    assert record.getMessage().startswith(r"GET /static/a\x1b[31m\x85ERROR forgedxxx")
    assert len(record.getMessage()) < 100


@pytest.mark.parametrize(("path", "allowed"), [("/", "GET, HEAD, OPTIONS"), ("/login_api", "GET, HEAD, OPTIONS, POST")])
def test_options_are_told_in_the_envelope(daemon: Daemon, path: str, allowed: str) -> None:
    answer = daemon.request("OPTIONS", path, token="")
    assert (answer.code, answer.headers["Allow"], answer.data) == (200, allowed, allowed.split(", "))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert daemon.request("OPTIONS", "/api/status", token="").code == 401
