"""``kvmd doctor``, ``status`` and ``report``: the real commands, with and without a real daemon."""

import gzip
import io
import json
import os
import re
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvmd.access import certificate
from kvmd.access.credentials import Credentials
from kvmd.access.grant import UserRole
from tests.conftest import PASSWORD, USER, Daemon
from tests.kvmd.cli.test_main import KVMD
from tests.process import NAME, served
from tests.waiting import eventually, patience


def kvmd(config: Path, *args: str, **environment: str) -> tuple[int, str]:
    command = [*KVMD, *args, "--config", str(config)]
    env = {**os.environ, **environment}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=False, env=env)
    assert "Traceback" not in ran.stderr
    return ran.returncode, (ran.stdout + ran.stderr).strip()


@pytest.fixture(scope="module")
def running(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    with make_daemon().running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def config(running: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of the daemon that runs; nothing of it but where it is asked matters to the commands."""
    path = tmp_path_factory.mktemp("doctor") / "kvmd.toml"
    path.write_text(
        f'[auth]\nfile = "{running.kvm.settings.auth.file}"\n[web]\ntls_listen = []\n'
        'video_tls_listen = []\nlisten = ["[::]:8080", "127.0.0.1:80", "unix:/x"]\n'
    )
    return path


class TestDoctor:
    def test_a_daemon_that_runs_is_asked(self, running: Daemon, config: Path) -> None:
        running.computer.plug_host(False)
        eventually(lambda: not running.kvm.input.slot.is_online, "the loss")
        code, said = kvmd(config, "doctor", "--json")
        running.computer.plug_host(True)
        diagnosis = json.loads(said)
        [found] = [each for each in diagnosis["findings"] if each["kind"] == "no-answer"]
        assert found["what"].startswith("hid: ")
        assert code == (2 if any(each["severity"] == "fault" for each in diagnosis["findings"]) else 1)
        assert "silent" not in {each["kind"] for each in diagnosis["findings"]}

    def test_settings_that_cannot_be_used_are_a_finding_and_no_end(self, tmp_path: Path) -> None:
        path = tmp_path / "kvmd.toml"
        path.write_text("[capture]\nquality = 0\n")
        code, said = kvmd(path, "doctor")
        assert code == 2
        first = said.splitlines()
        assert first[0].startswith(f"fault: the settings cannot be used: {path}: capture.quality = 0 cannot be used")
        assert first[1].startswith("    why it matters: ")
        assert first[2] == f"    what to do: correct {path}, then: sudo systemctl restart kvmd"
        assert "systemctl start kvmd" in said


class TestStatus:
    def test_what_the_daemon_says_of_itself(self, config: Path) -> None:
        code, said = kvmd(config, "status")
        lines = said.splitlines()
        assert code == 0
        assert lines[0].startswith("kvmd 0.")
        assert [line for line in lines if line.startswith("hid: online")]
        [opened] = [line for line in lines if line.startswith("open: ")]
        assert "http://127.0.0.1/" in opened.split()
        assert ":8080/" in opened
        assert f"logged in: {USER} from 127.0.0.1 (idle " in said
        assert "first password" not in said

    def test_the_first_password_until_it_is_changed(self, running: Daemon, config: Path) -> None:
        Credentials(Path(running.kvm.settings.auth.file)).first_password_path.write_text("correct-battery\n")
        assert f"first password, for {USER}: correct-battery; change it: sudo kvmd passwd" in kvmd(config, "status")[1]
        assert json.loads(kvmd(config, "status", "--json")[1])["first_password"] == "correct-battery"
        running.kvm.auth.credentials.set_password(USER, PASSWORD)
        assert json.loads(kvmd(config, "status", "--json")[1])["first_password"] is None

    def test_without_a_daemon(self, tmp_path: Path) -> None:
        path = tmp_path / "kvmd.toml"
        path.write_text(f'[auth]\nfile = "{tmp_path}/auth.json"\n')
        code, said = kvmd(path, "status")
        assert (code, "systemctl start kvmd" in said) == (4, True)


JOURNALCTL = """\
#!/bin/sh
echo "$@"
cat {planted}
"""
PLUGIN = """\
import logging
import kvmd

@kvmd.hookimpl
def kvmd_boards():
    logging.getLogger("acme").warning("said %s", open({secrets!r}).read())
    return []
"""


class TestReport:
    def test_what_it_holds_and_what_it_does_not(self, tmp_path: Path) -> None:
        """Every kind of secret, wherever one could come from: files, settings, logs of the daemon and of systemd."""
        secrets = self.planted(tmp_path)
        path = tmp_path / "report.tar.gz"
        settings = {"power": 'options = { mac = "02:00:00:00:00:01", secure_on = "open-sesame" }\n'}
        plugin = PLUGIN.format(secrets=str(tmp_path / "planted"))
        more = f'[plugins.{NAME}]\nbroker = {{ auth_token = "mellon-friend" }}\nurl = "http://ann:frodo-lives@hole"\n'
        with served(tmp_path, plugin=plugin, roles={"power": "wol"}, more=settings) as daemon:
            daemon.wait("READY=1")
            config = tmp_path / "kvmd.toml"
            config.write_text(config.read_text() + more)
            site = os.environ.get("PYTHONPATH", "")
            code, said = kvmd(
                config,
                "report",
                str(path),
                PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
                PYTHONPATH=f"{tmp_path}/site:{site}",
            )
        assert (code, f"{path}: attach it" in said) == (0, True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with tarfile.open(path) as archive:
            texts = {Path(each.name).name: self.read(archive, each) for each in archive.getmembers()}
        self.has_what_is_needed(texts)
        whole = gzip.decompress(path.read_bytes()).decode(errors="replace")
        for secret in (*secrets, "open-sesame", "mellon-friend", "frodo-lives", "8.8.4.4"):
            assert secret not in whole, secret

    def planted(self, folder: Path) -> list[str]:
        """Write secrets into every file, and all of them into what the journal gives."""
        credentials = Credentials(folder / "auth.json")
        credentials.set_password(USER, "xyzzy-plugh-1")
        credentials.add_user("ann", "xyzzy-plugh-2", UserRole.VIEWER)
        credentials.set_totp("ann", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        key = credentials.add_key("backup")
        credentials.first_password_path.write_text("swordfish-99\n")
        identity = certificate.renew(folder)
        pem = identity.pem().decode()
        contents = credentials.read()
        known = [*(user.password for user in contents.users.values()), contents.keys["backup"].sha256]
        secrets = [*known, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", key, "swordfish-99", pem.splitlines()[1]]
        shapes = ["password=xyzzy-plugh-1", "Authorization: Bearer eyJhbGciOi", "user 'ann' from 8.8.4.4: logged in"]
        (folder / "planted").write_text("\n".join([*secrets, *shapes, pem, "open-sesame mellon-friend"]))
        (folder / "bin").mkdir()
        program = folder / "bin/journalctl"
        program.write_text(JOURNALCTL.format(planted=folder / "planted"))
        program.chmod(0o755)
        return [*secrets, "xyzzy-plugh-1", "eyJhbGciOi"]

    def read(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
        file = archive.extractfile(entry)
        assert file is not None
        return io.TextIOWrapper(file).read()

    def has_what_is_needed(self, texts: dict[str, str]) -> None:
        assert "what kvmd doctor found" in texts["README.txt"]
        assert set(texts) - {"README.txt"} == {
            line.partition(":")[0] for line in texts["README.txt"].partition("In it:\n")[2].splitlines()
        }
        assert "warning: " in texts["doctor.txt"]
        assert json.loads(texts["status.json"])["capture"]["state"] == "online"
        assert 'secure_on = "(hidden)"' in texts["config.txt"]
        assert "-u kvmd" in texts["journal.txt"]
        assert "-k -b" in texts["kernel.txt"]
        for name in ("journal.txt", "kernel.txt", "log.txt"):
            assert re.search(r"user 'ann' from \(address \d\): logged in", texts[name]), name
        assert "msgspec " in texts["versions.txt"]
        assert "PRETTY_NAME" in texts["system.txt"]
        assert not [name for name, text in texts.items() if text.startswith("not there: ")]

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "kvmd.toml"
        path.write_text("[capture]\nquality = 0\n")
        code, said = kvmd(path, "report", str(tmp_path / "report"), PATH="/nowhere")
        assert (code, "attach it" in said) == (0, True)
        with tarfile.open(tmp_path / "report") as archive:
            texts = {Path(each.name).name: self.read(archive, each) for each in archive.getmembers()}
        assert texts["journal.txt"].startswith("not there: ")
        assert texts["config.txt"].startswith(f"not there: {path}: capture.quality")
        assert "fault: the settings cannot be used" in texts["doctor.txt"]
