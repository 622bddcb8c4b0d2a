"""The client, on a real daemon: it logs in, types, points, sees, presses buttons."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from kvmd.client import Client, NoPicture, Refused
from kvmd.contract.hid import MouseEvent
from kvmd.contract.reports import PowerState, State, TextState
from kvmd.contract.settings import WebSettings
from tests.conftest import PASSWORD, USER, Daemon
from tests.kvmd.web.conftest import switch_on
from tests.waiting import eventually, patience


def reach(daemon: Daemon, **given: object) -> Client:
    login = {} if {"key", "user"} & given.keys() else {"user": USER, "password": PASSWORD}
    return Client(f"http://127.0.0.1:{daemon.port}", timeout=patience(), **login, **given)  # type: ignore[arg-type]


@pytest.fixture
def kvm(daemon: Daemon) -> Iterator[Client]:
    eventually(lambda: daemon.kvm.video.slot.is_online and daemon.kvm.input.slot.is_online, "the virtual computer")
    with reach(daemon) as kvm:
        yield kvm


def typed(daemon: Daemon) -> tuple[str, ...]:
    return daemon.computer.state().keys


def test_keys(daemon: Daemon, kvm: Client) -> None:
    kvm.tap("KeyA")
    kvm.tap("ControlLeft", "KeyC")
    assert typed(daemon)[-2:] == ("A", "Ctrl+C")
    kvm.press("ShiftLeft", "KeyB")
    assert daemon.down() == (2, (5,))
    kvm.release("KeyB")
    assert daemon.down() == (2, ())
    kvm.release_all()
    assert daemon.down() == (0, ())


def test_text(daemon: Daemon, kvm: Client) -> None:
    report = kvm.type_text("Over HTTP", delay=0)
    assert (report.state, report.typed, report.layout) == (TextState.DONE, 9, "us")
    assert kvm.text_status() == kvm.cancel_text() == report
    with pytest.raises(Refused, match="EURO SIGN") as refused:
        kvm.type_text("€")
    assert refused.value.code == 400
    assert kvm.type_text("z", "de").layout == "de"
    assert typed(daemon)[-1] == "Y"
    assert "gb" in {each.name for each in kvm.layouts().layouts}
    assert kvm.layout("us(intl)").keys["KeyE"][0] == "e"


def test_keys_that_are_held_are_released_in_the_end_whatever_happens(daemon: Daemon, kvm: Client) -> None:
    with contextlib.suppress(ZeroDivisionError), kvm.holding("ShiftLeft"):
        assert daemon.down() == (2, ())
        raise ZeroDivisionError
    assert daemon.down() == (0, ())


def test_keys_that_are_held_are_held_on(daemon: Daemon, kvm: Client) -> None:
    heard: list[float] = []
    with kvm.holding("ShiftLeft", renewal=0.05):

        def renewed() -> bool:
            now = max(daemon.kvm.input.keyboard._holders._heard.values())
            if now not in heard:
                heard.append(now)
            return len(heard) > 3

        eventually(renewed, "the daemon to hear of the keys again")


def test_a_logout_releases_what_is_held(daemon: Daemon, kvm: Client) -> None:
    kvm.press("KeyB")
    kvm.logout()
    assert daemon.down() == (0, ())


def test_the_mouse(daemon: Daemon, kvm: Client) -> None:
    kvm.move(0.5, 0.25)
    state = daemon.computer.state().pointer
    assert (abs(state.x - 640) <= 1, abs(state.y - 180) <= 1) == (True, True)
    kvm.hold_buttons("left")
    assert daemon.computer.state().pointer.buttons == 1
    kvm.hold_buttons()
    kvm.click("right")
    kvm.click(double=True)
    kvm.wheel(2)
    kvm.wheel(-1, sideways=True)
    kvm.move_by(-5, 7)
    after = daemon.computer.state().pointer
    assert (after.buttons, after.wheel - state.wheel, after.hwheel - state.hwheel) == (0, 2, -1)
    assert (after.x - state.x, after.y - state.y) == (-5, 7)
    kvm.mouse(MouseEvent(x=0, y=0))
    assert daemon.computer.state().pointer.x == 0


def test_a_picture(kvm: Client) -> None:
    assert Image.open(io.BytesIO(kvm.picture())).size == (1280, 720)


def test_no_picture_is_an_error_that_has_the_slate(daemon: Daemon, kvm: Client) -> None:
    daemon.computer.plug_video(False)
    try:
        with pytest.raises(NoPicture, match="there is no picture") as error:
            kvm.picture(wait=0)
    finally:
        daemon.computer.plug_video(True)
    assert error.value.code == 503
    assert Image.open(io.BytesIO(error.value.slate)).format == "JPEG"


def test_a_wait_that_makes_no_sense_is_told_in_the_daemons_words(kvm: Client) -> None:
    with pytest.raises(Refused, match="timeout=61 cannot be used; accepted: number") as error:
        kvm.picture(wait=61)
    assert error.value.code == 400


def test_the_status_has_types(kvm: Client) -> None:
    status = kvm.status()
    assert status.capture.state is State.ONLINE
    assert status.capture.resolution is not None
    assert status.capture.resolution.width == 1280
    assert status.hid.since.tzinfo is not None
    assert {device.subsystem for device in kvm.devices()} >= set()


def test_power(daemon: Daemon, kvm: Client) -> None:
    assert kvm.power_on() == "nothing was done: the target is on already"
    assert kvm.press_button("reset", 0.1) == "the reset button was pressed for 0.1 s"
    assert "power" in kvm.power_off()
    eventually(lambda: kvm.power().target is PowerState.OFF, "the target to shut down")
    assert kvm.force_off() == "nothing was done: the target is off already"
    switch_on(daemon)


def test_what_the_hardware_lacks_is_refused_in_the_daemons_words(kvm: Client) -> None:
    with pytest.raises(Refused, match="the source of virtual sees none") as error:
        kvm.edid()
    assert (error.value.code, error.value.retry_after) == (409, None)
    with pytest.raises(Refused):
        kvm.set_edid(b"")


def test_an_unknown_key_is_refused_in_the_daemons_words(kvm: Client) -> None:
    with pytest.raises(Refused, match='"Nonsense" is not a key') as error:
        kvm.tap("Nonsense")
    assert error.value.code == 400


def test_a_session_that_has_ended_is_begun_anew(daemon: Daemon, kvm: Client) -> None:
    kvm.status()
    daemon.post("/api/logout", {}, token=kvm._session._secret)
    kvm.tap("KeyR")
    assert typed(daemon)[-1] == "R"
    daemon.post("/api/logout", {}, token=kvm._session._secret)
    assert next(iter(kvm.stream())).data


def test_many_threads_whose_session_has_ended_log_in_once(daemon: Daemon, kvm: Client) -> None:
    kvm.status()
    daemon.post("/api/logout", {}, token=kvm._session._secret)
    before_it = len(daemon.kvm.auth.sessions.all())
    threads = [threading.Thread(target=kvm.tap, args=("KeyT",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert typed(daemon)[-8:] == ("T",) * 8
    assert len(daemon.kvm.auth.sessions.all()) == before_it + 1


def test_an_api_key_needs_no_login(daemon: Daemon) -> None:
    key = daemon.kvm.auth.credentials.add_key("client")
    before_it = len(daemon.kvm.auth.sessions.all())
    with reach(daemon, key=f"{key}\n") as kvm:  # as it is read from a file
        kvm.tap("KeyK")
    assert len(daemon.kvm.auth.sessions.all()) == before_it
    daemon.kvm.auth.credentials.remove_key("client")
    with reach(daemon, key=key) as kvm, pytest.raises(Refused) as error:
        kvm.tap("KeyK")
    assert error.value.code == 401


def test_a_wrong_password_is_not_tried_twice_and_the_wait_is_told(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon().running() as daemon:
        kvm = reach(daemon, user=USER, password="wrong")
        codes = []
        for _ in range(30):
            with pytest.raises(Refused) as error:
                kvm.status()
            codes.append(error.value.code)
            if error.value.code == 429:
                assert error.value.retry_after
                break
        assert (codes[0], codes[-1]) == (401, 429)
        assert "wrong" not in repr(kvm)
        kvm.close()


def test_a_session_that_was_begun_with_a_code_is_not_begun_anew(daemon: Daemon) -> None:
    once = reach(daemon, code="123456")  # of a user who needs none
    once.status()
    daemon.post("/api/logout", {}, token=once._session._secret)
    with pytest.raises(Refused) as error:
        once.status()
    assert error.value.code == 401
    once.close()
    codes = iter(["1", "2", "3"])
    with reach(daemon, code=lambda: next(codes)) as again:
        again.status()
        daemon.post("/api/logout", {}, token=again._session._secret)
        again.status()
    assert next(codes) == "3"


def test_without_anybodys_name_it_does_what_is_open(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon(open_endpoints=["status"]).running() as daemon:
        kvm = Client(f"http://127.0.0.1:{daemon.port}")
        assert kvm.status().board is None
        with pytest.raises(Refused, match="log in first") as error:
            kvm.tap("KeyA")
        assert error.value.code == 401
        kvm.close()


def test_a_unix_socket(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    places = ["127.0.0.1:0", f"unix:{tmp_path}/s"]
    local = WebSettings(listen=places, video_listen=["127.0.0.1:0"], tls_listen=[], video_tls_listen=[])
    with (
        make_daemon(web=local).running() as daemon,
        Client(places[1], user=USER, password=PASSWORD, timeout=patience()) as kvm,
    ):
        eventually(lambda: daemon.kvm.input.slot.is_online, "the virtual computer")
        kvm.tap("KeyU")
        assert typed(daemon)[-1] == "U"
        assert next(kvm.stream(timeout=patience())).data[:2] == b"\xff\xd8"


def test_a_login_in_the_address(daemon: Daemon) -> None:
    password = PASSWORD.replace(" ", "%20")
    with Client(f"http://{USER}:{password}@127.0.0.1:{daemon.port}/", timeout=patience()) as kvm:
        assert kvm.status().version
        assert PASSWORD not in repr(kvm)
        assert password not in repr(kvm)


def test_proxies_of_the_environment_are_not_asked(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with reach(daemon) as kvm:
        assert kvm.status().version


def test_it_brings_none_of_what_the_daemon_is_made_of() -> None:
    heavy = {"numpy", "flask", "werkzeug", "PIL", "simplejpeg", "argon2", "cryptography", "h11", "click", "asyncio"}
    code = "import sys, kvmd.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy.isdisjoint(loaded)
