"""How everything stands, as a program reads it."""

from datetime import datetime
from pathlib import Path

from click.testing import CliRunner

import kvmd
from kvmd.cli.main import cli
from tests.conftest import Daemon
from tests.waiting import eventually


def test_it_has_everything_worth_knowing(daemon: Daemon) -> None:
    eventually(lambda: daemon.kvm.video.slot.is_online and daemon.kvm.input.slot.is_online, "both being online")
    answer = daemon.get("/api/status")
    assert answer.json["info"] == "status success"
    status = answer.data
    assert status.keys() == {"version", "began", "board", "capture", "hid", "power", "hung", "broken"}
    assert status["version"] == kvmd.__version__
    capture, hid = status["capture"], status["hid"]
    assert capture["state"] == "online"
    assert capture["resolution"] == {"width": 1280, "height": 720}
    assert (capture["driver"], capture["format"], capture["frame_rate"]) == ("virtual", "RGB24", 30.0)
    assert capture.keys() >= {"captured_fps", "sent_fps", "viewers", "dropped", "unchanged", "device"}
    assert (hid["state"], hid["driver"], hid["host_connected"]) == ("online", "virtual", True)
    assert hid["leds"] == {"num": False, "caps": False, "scroll": False}
    assert hid["capabilities"] == [
        "keyboard",
        "absolute_mouse",
        "relative_mouse",
        "leds",
        "consumer_control",
        "system_control",
    ]
    for role in (capture, hid):
        assert datetime.fromisoformat(role["since"]).tzinfo is not None


def test_a_loss_is_told_with_its_reason(daemon: Daemon) -> None:
    daemon.post("/api/virtual", {"computer": daemon.name, "signal": False, "host": False})
    status = eventually(
        lambda: (now := daemon.status())["capture"]["state"] == now["hid"]["state"] == "no signal" and now, "the loss"
    )
    assert status["capture"]["reason"] == "no signal: the virtual computer's cable is unplugged"
    assert (status["capture"]["resolution"], status["capture"]["format"]) == (None, None)
    assert status["hid"]["reason"] == "no host: the virtual computer's USB cable is unplugged"
    assert (status["hid"]["host_connected"], status["hid"]["leds"]) == (False, None)
    daemon.post("/api/virtual", {"computer": daemon.name, "signal": True, "host": True})
    eventually(lambda: daemon.kvm.video.slot.is_online and daemon.kvm.input.slot.is_online, "both being online again")


def test_what_a_plug_in_cannot_do_is_told_and_the_command_line_asks_for_it(daemon: Daemon, tmp_path: Path) -> None:
    daemon.kvm.registry.note("acme", "kvmd_event", OSError("no foot pedal here"))
    reason = "kvmd_event: OSError: no foot pedal here"
    assert daemon.status()["broken"] == [{"name": "acme", "reason": reason}]
    settings = tmp_path / "kvmd.toml"
    settings.write_text(f'[auth]\nfile = "{daemon.kvm.settings.auth.file}"')
    ran = CliRunner().invoke(cli, ["drivers", "wol", "--config", str(settings)])
    assert ran.stderr.splitlines() == [
        f"acme  cannot be used: {reason}",
        f'to switch a plug-in off: disabled_plugins = ["acme"] in {settings}',
    ]


def test_devices_are_a_list(daemon: Daemon) -> None:
    for device in daemon.get("/api/devices").data:
        assert device.keys() == {"name", "subsystem", "node", "label", "usb_id", "serial", "path", "drivers"}
