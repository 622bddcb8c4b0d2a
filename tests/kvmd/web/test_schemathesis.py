"""Requests made from the description, good ones and bad ones: no answer that it does not know, and no 500."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import Served, served
from tests.waiting import patience

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
EXAMPLES = 3
"""For each operation, beside those at the bounds of its types; they are the same in each run."""

ENDLESS = ["/stream"]
ITS_OWN_KEY = ["--exclude-operation-id", "delete_api_apikeys_name"]
"""It would take its own away, of which it learns from the list."""
UPSETTING = ["/api/power", "/api/virtual"]
PICTURE = ["/snapshot"]
"""What pulls cables and cuts power, and what waits for a picture for no time at all: 503 may be the right answer."""

ROOT = Path(__file__).parents[3]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, more={"power": "short_press = 0.1\nlong_press = 0.1\n"}) as daemon:
        daemon.wait("READY=1")
        yield daemon


def run(daemon: Served, folder: Path, *given: str, expected: str = "") -> None:
    """Run schemathesis on a daemon.

    :param expected: a code that is no fault, though it begins with 5
    """
    tolerated = f'\n[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", "{expected}"]\n'
    (folder / "schemathesis.toml").write_text(tolerated if expected else "")
    found = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{daemon.ports[0]}/api/openapi.json"),
            *("--header", f"Authorization: Bearer {daemon.key}", "--checks", ",".join(CHECKS)),
            *("--generation-deterministic", "--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing"),
            *("--suppress-health-check", "all", "--request-timeout", str(patience()), "--warnings", "off"),
            *("--no-color", *given),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.kvmd.web.bounded"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert daemon.stays
    assert "Traceback" not in daemon.log


def options(name: str, values: list[str]) -> list[str]:
    return [option for value in values for option in (name, value)]


def test_what_is_asked_by_the_description_is_answered_by_it(daemon: Served, tmp_path: Path) -> None:
    run(daemon, tmp_path, *ITS_OWN_KEY, *options("--exclude-path", [*ENDLESS, *PICTURE, *UPSETTING]))


@pytest.mark.parametrize("paths", [PICTURE, UPSETTING], ids=["pictures", "cables"])
def test_also_where_hardware_says_no(daemon: Served, tmp_path: Path, paths: list[str]) -> None:
    run(daemon, tmp_path, *options("--include-path", paths), expected="503")
