"""A plug-in that hangs, raises or lingers, wherever it is asked: the rest works, it is named, and the daemon ends.

Each case is a real daemon with a real plug-in; all run beside each other, since they mostly wait.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kvmd.system.ending import EXIT_HUNG
from tests.process import NAME, Served, served
from tests.waiting import eventually, patience

AT_ONCE = 6
"""Daemons that run beside each other."""

LIMIT = 5.0
"""Seconds of silence after which something hangs, in these daemons."""

HEAD = """
import threading
from kvmd import hookimpl
from kvmd_drivers.virtual import VirtualCapture, VirtualHid
from kvmd_drivers.virtual.power import VirtualPower

def hang(*args):
    threading.Event().wait()

def fail(*args):
    raise OSError("no foot pedal here")

def leave(*args):
    raise SystemExit(1)
"""

SERVICE = """
class Pedal:
    def start(self):
        {start}
    def stop(self):
        {stop}

@hookimpl
def kvmd_services(kvm):
    return [Pedal()]
"""


@dataclass
class Case:
    """What a plug-in does, and what is to come of it.

    :param plugin: its source, after HEAD
    :param roles: the roles that its drivers fill
    :param hung: what is named while the daemon serves; empty: nothing
    :param fed: whether the watchdog is fed all the same
    :param keys: the codes that a key press may have; likewise ``login``
    :param code: the exit code
    :param ending: what is named when it ends
    :param said: what the log says; ``stops``: only when it ends
    :param broken: what the status says that the plug-in cannot do, from its beginning
    """

    plugin: str
    roles: dict[str, str] = field(default_factory=dict)
    hung: str = ""
    fed: bool = True
    keys: tuple[int, ...] = (200,)
    login: tuple[int, ...] = (401,)
    code: int = 0
    ending: str = ""
    said: str = ""
    stops: bool = False
    broken: str = ""


def hook(name: str, call: str, arguments: str = "") -> str:
    return f"@hookimpl\ndef {name}({arguments}):\n    {call}()\n"


def service(start: str = "pass", stop: str = "pass") -> str:
    return SERVICE.format(start=start, stop=stop)


def driver(role: str, method: str, call: str) -> tuple[str, dict[str, str]]:
    """Make a driver of which one method fails; the rest is the virtual one's."""
    source = f"""
class Acme(Virtual{role.capitalize()}):
    name = "{NAME}"
    def {method}(self, *args):
        {call}

@hookimpl
def kvmd_drivers():
    return [Acme]
"""
    return source, {role: NAME}


def plugin_hangs(plugin: str, where: str, **other: object) -> Case:
    """Make a case of what hangs in a plug-in, which is no reason to start the daemon anew."""
    return Case(plugin, hung=f"plug-in {NAME} hangs: {where}", code=EXIT_HUNG, ending=where, **other)  # type: ignore[arg-type]


def driver_hangs(role: str, method: str, hung: str, **other: object) -> Case:
    """Make a case of what hangs in a driver."""
    made = Case(*driver(role, method, "hang()"), hung=hung, fed=False, code=EXIT_HUNG)
    made.ending = hung.replace(" hangs", "")
    for name, value in other.items():
        setattr(made, name, value)
    return made


def driver_fails(role: str, method: str, call: str, said: str = "", **other: object) -> Case:
    return Case(*driver(role, method, call), said=said, **other)  # type: ignore[arg-type]


NO_KEYS = (503,)

CASES = {
    "import hangs": plugin_hangs("hang()", "its import", broken="its import did not come back"),
    "import raises SystemExit": Case(
        "leave()", said="plug-in acme cannot be used: RuntimeError: it raised SystemExit: 1"
    ),
    "import raises KeyboardInterrupt": Case("raise KeyboardInterrupt", said="it raised KeyboardInterrupt"),
    "kvmd_drivers hangs": plugin_hangs(
        hook("kvmd_drivers", "hang"), "kvmd_drivers()", broken="kvmd_drivers: kvmd_drivers() did not come back"
    ),
    "kvmd_boards hangs": plugin_hangs(hook("kvmd_boards", "hang"), "kvmd_boards()"),
    "kvmd_blueprints hangs": plugin_hangs(hook("kvmd_blueprints", "hang"), "kvmd_blueprints()"),
    "kvmd_blueprints raises": Case(
        hook("kvmd_blueprints", "fail"),
        said="kvmd_blueprints: OSError: no foot pedal here",
        broken="kvmd_blueprints: OSError",
    ),
    "kvmd_services hangs": plugin_hangs(hook("kvmd_services", "hang"), "kvmd_services()"),
    "kvmd_services raises SystemExit": Case(
        hook("kvmd_services", "leave"), said="kvmd_services: RuntimeError: it raised"
    ),
    "kvmd_event hangs": plugin_hangs(hook("kvmd_event", "hang"), "kvmd_event()"),
    "kvmd_event raises": Case(
        hook("kvmd_event", "fail"), said="plug-in acme: kvmd_event() failed", broken="kvmd_event: OSError"
    ),
    "kvmd_verify_password hangs": plugin_hangs(
        hook("kvmd_verify_password", "hang"), "kvmd_verify_password()", login=(503,)
    ),
    "kvmd_verify_password raises": Case(
        hook("kvmd_verify_password", "fail"),
        login=(503,),
        said="plug-in acme failed to judge a login",
        broken="kvmd_verify_password: OSError",
    ),
    "service start hangs": Case(
        service(start="hang()"), hung="acme.Pedal hangs: start()", code=EXIT_HUNG, ending="acme.Pedal: start()"
    ),
    "service stop hangs": Case(service(stop="hang()"), code=EXIT_HUNG, ending="acme.Pedal"),
    "service stop raises": Case(service(stop="fail()"), said="acme.Pedal failed while it was stopped", stops=True),
    "service stop raises SystemExit": Case(
        service(stop="leave()"), said="acme.Pedal failed while it was stopped", stops=True
    ),
    "service leaves a thread": Case(
        service(start="threading.Thread(target=hang, name='pedal', daemon=False).start()"),
        code=EXIT_HUNG,
        ending="pedal",
    ),
    "service stop never lets go of Python's lock": Case(
        service(stop="__import__('ctypes').PyDLL(None).sleep(3600)"), code=1, ending="in stop"
    ),
    "capture open hangs": driver_hangs("capture", "open", "capture hangs: open()"),
    "capture frames hangs": driver_hangs("capture", "frames", "capture hangs: frames()"),
    "capture close hangs": driver_hangs("capture", "close", "", fed=True, ending="capture: close()"),
    "capture status hangs": driver_hangs("capture", "status", "capture driver hangs: status()"),
    "capture frames ends": driver_fails("capture", "frames", "return iter(())", "gave no more frames"),
    "capture frames raises": driver_fails("capture", "frames", "fail()", "the driver failed: OSError"),
    "capture frames raises SystemExit": driver_fails("capture", "frames", "leave()", "the driver failed: SystemExit"),
    "capture status raises": driver_fails("capture", "status", "fail()", "the driver failed: OSError"),
    "capture close raises": driver_fails("capture", "close", "fail()", "capture: the driver failed", stops=True),
    "hid open hangs": driver_hangs("hid", "open", "hid hangs: open()", keys=NO_KEYS),
    "hid watch hangs": driver_hangs("hid", "watch", "hid hangs: watch()", keys=NO_KEYS),
    "hid send hangs": driver_hangs("hid", "send", "HID writer hangs: send()", keys=NO_KEYS),
    "hid status hangs": driver_hangs("hid", "status", "hid driver hangs: status()", keys=NO_KEYS),
    "hid close hangs": driver_hangs("hid", "close", "", fed=True, ending="hid: close()"),
    "hid send raises": driver_fails("hid", "send", "fail()", "the driver failed: OSError", keys=(500, 503)),
    "hid send raises SystemExit": driver_fails(
        "hid", "send", "leave()", "the driver raised SystemExit", keys=(500, 503)
    ),
    "hid close raises": driver_fails("hid", "close", "fail()", "hid: the driver failed", stops=True),
    "power watch hangs": driver_hangs("power", "watch", "power hangs: watch()"),
    "power press hangs": driver_hangs("power", "press", "power driver hangs: press()"),
    "power status hangs": driver_hangs("power", "status", "power hangs: status()"),
}


@dataclass
class Outcome:
    """What was seen of a daemon."""

    codes: dict[str, int]
    hung: list[str]
    broken: list[tuple[str, str]]
    fed: bool
    code: int
    log: str
    heard: list[str]


def watched(folder: Path, case: Case) -> Outcome:
    """Run a case from its start to its end."""
    limit = LIMIT if case.hung else 600.0
    with served(folder, plugin=HEAD + case.plugin, roles=case.roles, watchdog=2 * limit) as daemon:
        daemon.wait("READY=1")
        codes = used(daemon, case)
        if not case.stops:
            eventually(lambda: case.said in daemon.log, case.said)
        count = daemon.wait(f"STATUS={case.hung}") if case.hung else len(daemon.heard)
        status = daemon.status()
        hung = [hang["name"] for hang in status["hung"]]
        broken = [(broken["name"], broken["reason"]) for broken in status["broken"]]
        if case.fed:
            eventually(lambda: daemon.fed_after(count), "the watchdog being fed")
        else:
            time.sleep(3)  # as long as it would be fed three times
        fed = daemon.fed_after(count)
        code = daemon.end()
        return Outcome(codes, hung, broken, fed, code, daemon.log, daemon.heard)


def used(daemon: Served, case: Case) -> dict[str, int]:
    """Use everything once; return the codes of the answers."""
    press = {"action": "press", "button": "reset", "seconds": 0.1}

    def keys() -> int:
        """Press one; the keyboard may not be there yet."""
        code = daemon.ask("POST", "/keyboard", {"keycodes": ["KeyA"]})[0]
        return code if code in case.keys else 0

    codes = {
        "keys": eventually(keys, "the answer to a key"),
        "login": daemon.ask("POST", "/login_api", {"username": "admin", "password": "wrong"})[0],
        "snapshot": daemon.ask("GET", "/snapshot?timeout=5", port=1)[0],
        "power": daemon.ask("POST", "/api/power", press)[0] if "power" in case.roles else 200,
        "page": daemon.ask("GET", "/")[0],
    }
    return {**codes, "status": daemon.ask("GET", "/api/status")[0]}


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """Run all cases that are asked for beside each other."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(watched, tmp_path_factory.mktemp("hang"), case)
            for name, case in CASES.items()
            if name in asked
        }


@pytest.mark.parametrize("name", CASES)
def test_the_rest_works_what_hangs_is_named_and_the_daemon_ends(
    name: str, outcomes: dict[str, Future[Outcome]]
) -> None:
    case, seen = CASES[name], outcomes[name].result()
    assert seen.codes["keys"] in case.keys
    assert seen.codes["login"] in case.login
    assert seen.codes["snapshot"] in ((200, 503) if "capture" in case.roles else (200,))
    assert seen.codes["power"] in ((200, 503, 409) if "power" in case.roles else (200,))
    assert (seen.codes["page"], seen.codes["status"]) == (200, 200)
    assert seen.fed is case.fed
    if case.hung:
        assert any(case.hung.startswith(name) for name in seen.hung)
        assert seen.log.count(f"{case.hung} for") == 1, "it is logged once"
        assert 'acme.py", line' in seen.log, "with the stack"
    if case.broken:
        assert any(name == NAME and reason.startswith(case.broken) for name, reason in seen.broken), seen.broken
    assert seen.code == case.code, seen.log
    assert case.said in seen.log
    if case.ending:
        assert case.ending in seen.log[seen.log.rindex("hang:") if case.code == EXIT_HUNG else 0 :]


def test_a_daemon_that_waits_for_an_import_can_be_ended(tmp_path: Path) -> None:
    began = tmp_path / "began"
    with served(tmp_path, plugin=f"{HEAD}\nopen({str(began)!r}, 'w').close()\nhang()") as daemon:
        eventually(began.exists, "the import")
        assert daemon.end() == -signal.SIGTERM


def test_a_module_that_ends_the_process_at_import_does_just_that(tmp_path: Path) -> None:
    """Nothing can be done about it; but it happens to the daemon alone, see ``TestGadget`` of the command line."""
    with served(tmp_path, plugin="import os\nos._exit(9)") as daemon:
        assert daemon.process.wait(patience()) == 9
