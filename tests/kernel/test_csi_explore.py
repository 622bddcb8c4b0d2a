import contextlib, itertools, time, subprocess
from kvmd.device import device_at
from kvmd_drivers.csi_bridge import CsiBridge, CsiBridgeOptions
from kvmd import KvmdError
import pytest
pytestmark = pytest.mark.usefixtures("units_masked")

def test_explore(vivid, tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    node = vivid.load(num_inputs=1, input_types=0x3)
    out = []
    def sh(*a):
        r = subprocess.run(a, capture_output=True, text=True)
        out.append(f"$ {' '.join(a)}\n{r.stdout}{r.stderr}")
    sh("v4l2-ctl", "-d", str(node), "--list-ctrls-menus")
    sh("v4l2-ctl", "-d", str(node), "--all")
    sh("v4l2-ctl", "-d", str(node), "--get-edid")
    sh("udevadm", "info", str(node))
    sh("ls", "-l", "/dev/media0", "/dev/v4l-subdev0")
    driver = CsiBridge(CsiBridgeOptions(device=str(node), timeout=2), device_at(str(node)))
    t0 = time.monotonic()
    def say(*a):
        out.append(f"{time.monotonic()-t0:.2f} " + " ".join(map(str, a)))
    driver.open()
    say(driver.status(), len(driver.edid()))
    def look(n=3):
        try:
            with contextlib.closing(driver.frames()) as f:
                for fr in itertools.islice(f, n):
                    say(fr.width, fr.height, fr.format, fr.sequence, fr.stride)
        except KvmdError as e:
            say(type(e).__name__, e)
        say(driver.status(), driver.timings())
    look()
    for mode in (1, 2, 3, 0):
        vivid.control("dv_timings_signal_mode", mode)
        look(); look()
    for index in range(0, 60, 6):
        vivid.control("dv_timings_signal_mode", 4)
        try:
            vivid.control("dv_timings", index)
        except RuntimeError as e:
            say(e); break
        look(2)
    with contextlib.closing(driver.frames()) as f:
        say(next(f).sequence)
        for name in ("inject_v4l2_buf_flag_error", "inject_vidioc_qbuf_error", "inject_fatal_streaming_error"):
            with contextlib.suppress(KvmdError):
                vivid.control(name, 1)
                for fr in itertools.islice(f, 5): say(fr.sequence)
                say(name, driver.status())
    driver.set_edid(driver.edid())
    say(list(tmp_path.iterdir()))
    sh("v4l2-ctl", "-d", str(node), "--get-edid")
    driver.close()
    print("\n".join(out))
    raise AssertionError("look")
