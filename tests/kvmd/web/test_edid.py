"""The EDID over HTTP: with a driver that has one, a plug-in whose receiver is the virtual computer's."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pytest
from playwright import sync_api as playwright

from kvmd import DeviceAbsent, DriverError, EdidControl, Timings, TimingsControl, edid, hookimpl
from kvmd.plugins.hookspecs import PROJECT
from kvmd.plugins.registry import Registry
from kvmd_drivers.virtual import VirtualCapture
from tests.conftest import PASSWORD, USER, Daemon
from tests.kvmd.web.conftest import log_in, open_panel, opened, wait_for_stream
from tests.waiting import eventually

OURS = edid.profile("1080p60")


class Receiver(VirtualCapture, EdidControl, TimingsControl):
    """The virtual computer's screen, through a receiver that has an EDID and measures timings."""

    name = "receiver"
    shown = b""
    broken: str | None = None
    absent = False

    def open(self) -> None:
        if Receiver.absent:
            raise DeviceAbsent("the receiver is not plugged in")
        super().open()

    def edid(self) -> bytes:
        self._fail()
        return Receiver.shown

    def set_edid(self, data: bytes) -> None:
        self._fail()
        Receiver.shown = data

    def timings(self) -> Timings:
        return Timings(1280, 720, 59.94, 74_176_000)

    def _fail(self) -> None:
        if Receiver.absent:  # it is made, and not opened
            raise DriverError("EDID: the receiver is not plugged in")
        if Receiver.broken:
            raise DriverError(Receiver.broken)


@pytest.fixture(scope="module")
def receiving(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    module = ModuleType("plugin_receiver")
    vars(module)["kvmd_drivers"] = hookimpl(lambda: [Receiver])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        registry = Registry([*entry_points(group=PROJECT), EntryPoint("receiver", module.__name__, PROJECT)])
    with make_daemon(capture="receiver", registry=registry).running() as running:
        yield running


def test_those_that_are_shipped_are_listed(receiving: Daemon) -> None:
    listed = receiving.get("/api/edid/profiles").data
    assert [(each["name"], each["preferred"]) for each in listed] == [
        ("1080p60", "1920x1080@60"),
        ("1080p50-2lane", "1280x720@60"),
        ("720p60", "1280x720@60"),
    ]
    assert all(each["preferred"] in each["modes"] for each in listed)
    for each in listed:
        shown = receiving.put("/api/edid", {"profile": each["name"]}).data["decoded"]
        assert shown["preferred"]["name"] == each["preferred"]


@pytest.fixture
def kvm(receiving: Daemon) -> Daemon:
    Receiver.shown, Receiver.broken, Receiver.absent = OURS, None, False
    eventually(lambda: receiving.kvm.video.slot.is_online, "the receiver")
    return receiving


def refusal(kvm: Daemon, body: object, code: int = 400) -> str:
    """What a change is refused with, which leaves everything as it was."""
    before = Receiver.shown
    answer = kvm.put("/api/edid", body)
    assert (answer.code, answer.json["status"]) == (code, 0), answer.json
    assert Receiver.shown is before
    return str(answer.json["info"])


class TestShowing:
    def test_it_is_decoded(self, kvm: Daemon) -> None:
        data = kvm.get("/api/edid").data
        assert data.keys() == {"hex", "problem", "decoded"}
        assert (bytes.fromhex(data["hex"]), data["problem"]) == (OURS, None)
        decoded = data["decoded"]
        assert (decoded["maker"], decoded["name"], decoded["serial"]) == ("KVH", "kvmd 1080p60", 1)
        assert decoded["preferred"] == decoded["modes"][0]
        assert decoded["preferred"]["pixel_clock"] == 148_500_000
        assert decoded["audio"] == [{"format": "LPCM", "channels": 2, "rates": [32000, 44100, 48000]}]

    def test_none(self, kvm: Daemon) -> None:
        Receiver.shown = b""
        assert kvm.get("/api/edid").data == {"hex": "", "problem": None, "decoded": None}

    def test_what_is_wrong_with_it_is_told(self, kvm: Daemon) -> None:
        Receiver.shown = OURS[:-1] + b"\0"
        data = kvm.get("/api/edid").data
        assert data["problem"].startswith("block 1: its sum is 0x00 and has to be 0x")
        assert data["decoded"]["name"] == "kvmd 1080p60"
        Receiver.shown = bytes(128)
        data = kvm.get("/api/edid").data
        assert data["problem"].startswith("block 0: the header is 00 00")
        assert (data["hex"], data["decoded"]) == (bytes(128).hex(), None)

    def test_the_status_says_that_there_is_one(self, kvm: Daemon) -> None:
        assert kvm.status()["capture"]["capabilities"] == ["edid", "timings"]


class TestSetting:
    def test_hex(self, kvm: Daemon) -> None:
        wanted = edid.profile("720p60")
        answer = kvm.put("/api/edid", {"hex": wanted.hex(" ")}).data
        assert Receiver.shown == wanted
        assert answer == kvm.get("/api/edid").data
        assert answer["decoded"]["name"] == "kvmd 720p60"

    @pytest.mark.parametrize("name", edid.profiles())
    def test_profile(self, kvm: Daemon, name: str) -> None:
        kvm.put("/api/edid", {"profile": name})
        assert Receiver.shown == edid.profile(name)

    def test_the_token_may_be_in_the_body(self, kvm: Daemon) -> None:
        assert kvm.put("/api/edid", {"profile": "720p60", "token": kvm.token}, token="").code == 200
        noted = kvm.get("/api/audit").data[-1]
        assert (noted["what"], noted["who"], noted["detail"]) == ("edid", USER, "showed the source another EDID")
        assert Receiver.shown == edid.profile("720p60")

    def test_clear(self, kvm: Daemon) -> None:
        assert kvm.put("/api/edid", {"clear": True}).data == {"hex": "", "problem": None, "decoded": None}
        assert Receiver.shown == b""

    def test_edit_what_is_in_force(self, kvm: Daemon) -> None:
        kvm.put("/api/edid", {"edit": {"name": "Rack 7", "serial": 4711}})
        answer = kvm.put("/api/edid", {"edit": {"preferred": "1920x1080@50", "serial": "A-1"}}).data["decoded"]
        assert (answer["name"], answer["serial"], answer["serial_text"]) == ("Rack 7", 4711, "A-1")
        assert answer["preferred"]["name"] == "1920x1080@50"
        said = subprocess.run(["edid-decode", "--check"], input=Receiver.shown, capture_output=True, check=True).stdout
        assert b"EDID conformity: PASS" in said

    def test_mend(self, kvm: Daemon) -> None:
        kvm.put("/api/edid", {"hex": OURS[:-1].hex() + "00", "mend": True})
        assert Receiver.shown == OURS


class TestRefusing:
    def test_a_wrong_sum_names_the_block_and_both_sums(self, kvm: Daemon) -> None:
        assert refusal(kvm, {"hex": OURS[:-1].hex() + "00"}) == (
            f'block 1: its sum is 0x00 and has to be 0x{OURS[-1]:02x}; let it be mended (--mend, or "mend": true) '
            "if the rest is right"
        )

    @pytest.mark.parametrize(
        ("hexed", "words"),
        [
            ("", "the EDID is empty; to show the source none, clear it"),
            ("hello", "this is no EDID: neither hex digits alone, nor binary in blocks of 128 bytes"),
            (OURS[:100].hex(), "block 0: an EDID has 1 to 256 blocks of 128 bytes, not 100 bytes"),
            (edid.mend(b"\1" + OURS[1:]).hex(), "block 0: the header is 01 ff ff ff ff ff ff 00 and has to be"),
            (OURS[:128].hex(), "block 0: it counts 1 extension blocks and 0 follow"),
        ],
    )
    def test_what_is_no_edid(self, kvm: Daemon, hexed: str, words: str) -> None:
        assert refusal(kvm, {"hex": hexed}).startswith(words)

    @pytest.mark.parametrize(
        "body", [{}, {"clear": False}, {"hex": "00", "profile": "720p60"}, {"edit": {"name": "x"}, "clear": True}]
    )
    def test_not_exactly_one(self, kvm: Daemon, body: dict[str, object]) -> None:
        assert refusal(kvm, body) == "exactly one is needed of: hex, profile, edit, clear (true)"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"profile": "4k"}, 'there is no EDID profile "4k"; there are: 1080p60, 1080p50-2lane, 720p60'),
            ({"profile": "720p60", "mend": True}, "mend goes with hex alone: the sums of all others are right"),
            ({"edit": {}}, "edit needs one or more of: name, serial, preferred"),
            ({"edit": {"name": "much too long a name"}}, 'name "much too long a name" does not fit'),
            ({"edit": {"title": "x"}}, 'the body is not what /api/edid takes: the body contains unknown field "title"'),
            ({"file": "x"}, "exactly one is needed of: hex, profile, edit, clear (true)"),
            ({"hex": 17}, "the body is not what /api/edid takes: Expected"),
        ],
    )
    def test_what_makes_no_sense(self, kvm: Daemon, body: dict[str, object], words: str) -> None:
        assert refusal(kvm, body).startswith(words)

    def test_no_json(self, kvm: Daemon) -> None:
        answer = kvm.request("PUT", "/api/edid", OURS)
        assert answer.code == 400
        assert answer.json["info"].startswith("the body is not what /api/edid takes: ")

    def test_nothing_to_edit(self, kvm: Daemon) -> None:
        Receiver.shown = b""
        assert refusal(kvm, {"edit": {"name": "x"}}) == ("the source sees no EDID that could be edited; set one first")

    def test_the_device_refuses(self, kvm: Daemon) -> None:
        Receiver.broken = "/dev/video0: the EDID has 3 blocks and the device takes 2"
        assert refusal(kvm, {"profile": "720p60"}, 503) == Receiver.broken
        assert (kvm.get("/api/edid").code, kvm.get("/api/edid").json["info"]) == (503, Receiver.broken)

    def test_nobody_logged_in(self, kvm: Daemon) -> None:
        assert kvm.get("/api/edid", token="").code == 401
        assert kvm.put("/api/edid", {"clear": True}, token="").code == 401
        assert Receiver.shown == OURS


def test_a_driver_without_one_says_so(daemon: Daemon) -> None:
    eventually(lambda: daemon.kvm.video.slot.is_online, "the virtual computer")
    for answer in (daemon.get("/api/edid"), daemon.put("/api/edid", {"profile": "720p60"})):
        assert answer.code == 409
        assert answer.json["info"] == "EDID: the source of virtual sees none that could be changed"


def test_no_device(kvm: Daemon) -> None:
    Receiver.absent = True
    driver = kvm.kvm.video.slot.driver
    assert driver is not None
    driver.close()
    eventually(lambda: kvm.kvm.video.slot.driver is None, "its end")
    for answer in (kvm.get("/api/edid"), kvm.put("/api/edid", {"clear": True})):
        assert (answer.code, answer.json["info"][:6]) == (503, "EDID: "), answer.json
    assert Receiver.shown == OURS


def test_the_page_shows_and_changes_it(kvm: Daemon, browser: playwright.Browser, tmp_path: Path) -> None:
    with opened(browser, kvm, expected=("status of 400",)) as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        open_panel(page, "Screen")
        page.locator("#picture-timings", has_text="1280\N{MULTIPLICATION SIGN}720p 59.94 Hz, 74.18 MHz").wait_for()
        panel = page.locator("#panel")
        panel.get_by_text("kvmd 1080p60 · ").wait_for()
        panel.get_by_label("Use a profile").select_option("720p60")
        panel.get_by_text("kvmd 720p60 · ").wait_for()
        assert Receiver.shown == edid.profile("720p60")
        panel.get_by_text("Change it").click()
        panel.get_by_label("Name of the screen").fill("Acme")
        panel.get_by_role("button", name="Save", exact=True).click()
        panel.get_by_text("Acme · ").wait_for()
        for name, content in (("edid.bin", OURS), ("edid.txt", OURS.hex(" ").encode())):
            Receiver.shown = b""
            (tmp_path / name).write_bytes(content)
            panel.get_by_label("Load from a file").set_input_files(tmp_path / name)
            eventually(lambda: Receiver.shown == OURS, f"{name} in the receiver")
            panel.get_by_text("kvmd 1080p60 · ").wait_for()
        (tmp_path / "edid.txt").write_text("no EDID")
        panel.get_by_label("Load from a file").set_input_files(tmp_path / "edid.txt")
        page.locator("#action.refused", has_text="this is no EDID").wait_for()
        assert Receiver.shown == OURS
