"""Programs that wait for the challenge before they send a password, and browsers, which must not see one."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright import sync_api as playwright

from tests.conftest import HOST, PASSWORD, USER, Daemon
from tests.kvmd.web.conftest import ARGUMENTS, CHROMIUM
from tests.kvmd.web.test_identity import basic, cookie
from tests.waiting import patience

BASIC = 'Basic realm="kvmd", charset="UTF-8"'
IMAGE = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}

PROGRAMS: list[dict[str, str]] = [
    {},
    {"User-Agent": "Lavf/59.27.100", "Accept": "*/*", "Icy-MetaData": "1"},
    {"User-Agent": "Wget/1.21.3", "Accept": "*/*", "Accept-Encoding": "identity"},
    {"User-Agent": "GStreamer souphttpsrc 1.22.0 libsoup/3.2.2", "icy-metadata": "1"},
    {"User-Agent": "VLC/3.0.18 LibVLC/3.0.18", "Accept": "*/*", "Accept-Language": "en_US", "Range": "bytes=0-"},
    {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"},
]
BROWSERS: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"},
    {"Sec-Fetch-Dest": "image"},
    {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Accept": "*/*"},
    {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X)", **IMAGE},
    {"Accept": "text/html,application/xhtml+xml"},
    {"Cookie": "kvmd_token_old=ended"},
    {"Origin": "http://127.0.0.1"},
    {"X-Requested-With": "kvmd"},
]


@pytest.mark.parametrize("headers", PROGRAMS, ids=str)
def test_basic_is_offered_to_programs(daemon: Daemon, headers: dict[str, str]) -> None:
    for port in (daemon.port, daemon.video_port):
        answer = daemon.get("/snapshot", token="", headers=headers, port=port)
        assert answer.code == 401
        assert answer.headers.get_all("WWW-Authenticate") == ["Bearer", BASIC]


@pytest.mark.parametrize("headers", BROWSERS, ids=str)
def test_and_to_no_browser(daemon: Daemon, headers: dict[str, str]) -> None:
    answer = daemon.get("/api/status", token="", headers=headers)
    assert (answer.code, answer.headers.get_all("WWW-Authenticate")) == (401, ["Bearer"])


def wget(address: str, picture: Path) -> list[str]:
    return ["wget", "-q", "-O", str(picture), f"http://{USER}:{PASSWORD.replace(' ', '%20')}@{address}"]


def curl(address: str, picture: Path) -> list[str]:
    return ["curl", "-sf", "--anyauth", "-u", f"{USER}:{PASSWORD}", "-o", str(picture), f"http://{address}"]


@pytest.mark.parametrize("command", [wget, curl])
def test_a_password_in_the_address_is_enough(
    daemon: Daemon, tmp_path: Path, command: Callable[[str, Path], list[str]]
) -> None:
    """As in go2rtc 1630, ESP32-CAM 719, iSpy 110."""
    arguments = command(f"{HOST}:{daemon.video_port}/snapshot", tmp_path / "screen.jpg")
    assert shutil.which(arguments[0])
    subprocess.run(arguments, check=True, timeout=patience())
    assert (tmp_path / "screen.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_a_browser_shows_our_page_and_no_dialog_of_its_own(daemon: Daemon, browser: playwright.Browser) -> None:
    """Under a name and without TLS it sends no word of where a script comes from."""
    rules = f"--host-resolver-rules=MAP kvm.test {HOST}"
    elsewhere = browser.browser_type.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, rules])
    page = elsewhere.new_page()
    page.set_default_timeout(patience() * 1000)
    for name in ("kvm.test", HOST):
        with page.expect_response("**/api/me") as asked:
            page.goto(f"http://{name}:{daemon.port}/")
        page.locator("input[name=password]").wait_for()
        assert asked.value.all_headers()["www-authenticate"] == "Bearer"
        assert ("sec-fetch-site" in asked.value.request.all_headers()) is (name == HOST)
    elsewhere.close()


def test_a_foreign_basic_beside_a_good_cookie_does_no_harm(daemon: Daemon) -> None:
    """A proxy with a Basic of its own, which the browser sends to us as well (pikvm 436)."""
    foreign = basic("proxy", "its password")
    for _ in range(50):
        assert daemon.get("/api/status", token="", headers=foreign | cookie(daemon), source="127.0.0.3").code == 200
    login = {"username": USER, "password": PASSWORD}
    assert daemon.post("/login_api", login, token="", headers=foreign, source="127.0.0.3").code == 200
    assert not [entry for entry in daemon.kvm.auth.audit.entries() if entry.who == "proxy"]
