"""/api/doctor: what the daemon finds out about its own machine."""

from tests.conftest import Daemon
from tests.waiting import eventually


def test_a_loss_is_found_and_said_with_the_way_out(daemon: Daemon) -> None:
    daemon.computer.plug_video(False)
    eventually(lambda: not daemon.kvm.video.slot.is_online, "the loss")
    answer = daemon.get("/api/doctor")
    daemon.computer.plug_video(True)
    [found] = [each for each in answer.data["findings"] if each["kind"] == "no-answer"]
    assert (answer.code, found["severity"], found["what"].startswith("capture: ")) == (200, "warning", True)
    assert "cable" in found["mend"]
    assert "silent" not in {each["kind"] for each in answer.data["findings"]}
