"""The command line: the real program in a process of its own; what goes wrong is one line and an exit code."""

import base64
import json
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kvmd.access.credentials import Credentials
from kvmd.cli.main import cli
from kvmd.contract.board import Facts
from tests.ports import free_ports
from tests.process import install

COMMANDS = [
    "ch9329",
    "serve",
    "demo",
    "status",
    "doctor",
    "report",
    "devices",
    "drivers",
    "boards",
    "udev-rules",
    "config",
    "passwd",
    "user",
    "session",
    "apikey",
    "certificate",
    "edid",
    "gadget",
    "power",
    "type",
    "new",
]
ACCOUNTS = [f"user {name}" for name in ("add", "list", "remove", "role", "totp")]
ACCOUNTS += [f"session {name}" for name in ("list", "end")]
ACCOUNTS += [f"apikey {name}" for name in ("add", "list", "remove")]
CERTIFICATE = [f"certificate {name}" for name in ("show", "new", "csr", "install")]
FILES = ["boards check", "boards schema", "config schema"]
KVMD = [sys.executable, "-m", "kvmd"]
JPEG = b"\xff\xd8\xff"


def run(*args: object, given: str | None = None) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([*KVMD, *map(str, args)], capture_output=True, text=True, input=given, check=False)
    assert "Traceback" not in ran.stderr
    return ran


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A settings file whose secrets are in the same folder."""
    path = tmp_path / "kvmd.toml"
    path.write_text(f'[capture]\nquality = 55\n\n[auth]\nfile = "{tmp_path}/secrets/auth.json"\n')
    return path


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return tmp_path / "secrets/auth.json"


def one_line(ran: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the program's only line of complaint."""
    assert ran.returncode == code
    assert ran.stderr.startswith("kvmd: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr.removeprefix("kvmd: ").rstrip("\n")


class TestUsage:
    def test_help_imports_nothing_that_is_slow(self) -> None:
        slow = {
            "PIL",
            "asyncio",
            "cryptography",
            "flask",
            "h11",
            "http.client",
            "numpy",
            "serial",
            "simplejpeg",
        }
        code = (
            "import sys; from click.testing import CliRunner; from kvmd.cli.main import cli\n"
            "CliRunner().invoke(cli, ['--help'], catch_exceptions=False)\n"
            f"print(sorted({slow} & set(sys.modules)))"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout == "[]\n"

    def test_plugins_are_loaded_only_by_who_needs_them(self, settings: Path) -> None:
        code = (
            "import sys; from click.testing import CliRunner; from kvmd.cli.main import cli\n"
            f"CliRunner().invoke(cli, ['apikey', 'list', '--config', '{settings}'], catch_exceptions=False)\n"
            "print([name for name in sys.modules if name.startswith('kvmd_')])"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout == "[]\n"

    def test_help_names_every_command_and_exit_code(self) -> None:
        ran = run("--help")
        assert ran.returncode == 0
        listed = ran.stdout.partition("Commands:")[2]
        assert re.findall(r"^  ([a-z0-9-]+)  ", listed, re.MULTILINE) == sorted(COMMANDS)
        assert all(word in ran.stdout for word in ("0 done", "1 failed", "2 the", "3 the", "4 a", "5 not", "6 the"))

    @pytest.mark.parametrize("command", [*COMMANDS, *ACCOUNTS, *CERTIFICATE, *FILES])
    @pytest.mark.parametrize("flag", ["--help", "-h"])
    def test_help_of_each_command(self, command: str, flag: str) -> None:
        ran = run(*command.split(), flag)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith(f"Usage: kvmd {command} ")

    def test_version(self) -> None:
        assert re.fullmatch(r"kvmd, version \d+\.\d+\.\d+\n", run("--version").stdout)

    @pytest.mark.parametrize(
        "args", [["nonsense"], ["config", "--nonsense"], ["demo", "--port", "0"], ["apikey", "add"]]
    )
    def test_no_sense(self, args: list[str]) -> None:
        ran = run(*args)
        assert ran.returncode == 2
        assert "Usage: kvmd" in ran.stderr


class TestConfig:
    @pytest.mark.parametrize("before", [True, False])
    def test_values_and_sources(self, settings: Path, before: bool) -> None:
        option = ["--config", settings]
        ran = run(*option, "config") if before else run("config", *option)
        assert (ran.returncode, ran.stderr) == (0, "")
        lines = ran.stdout.splitlines()
        assert f"capture.quality = 55  # {settings}" in lines
        assert 'web.listen = ["[::]:80"]  # default' in lines

    def test_json(self, settings: Path) -> None:
        shown = json.loads(run("config", "--config", settings, "--json").stdout)
        assert shown["capture.quality"] == {"value": 55, "source": str(settings)}
        assert shown["hid.options"] == {"value": {}, "source": "default"}

    def test_wrong_value(self, settings: Path) -> None:
        settings.write_text("[capture]\nquality = 0")
        expected = "capture.quality = 0 cannot be used; accepted: whole number (at least 1, at most 100)"
        assert one_line(run("config", "--config", settings), 3) == f"{settings}: {expected}"

    def test_secrets_are_not_shown(self, settings: Path) -> None:
        settings.write_text(
            '[plugins.local_input]\npassword = "abra"\nbroker = { auth_token = "abra", url = "mqtt://broker" }\n'
            'targets = [{ "api-key" = "abra" }]\ntokens = ["abra"]\n'
            '[power]\ndriver = "wol"\noptions = { mac = "02:00:00:00:00:01", secure_on = "abra" }\n'
        )
        for option in ([], ["--json"]):
            ran = run("config", "--config", settings, *option)
            assert (ran.returncode, "abra" in ran.stdout, "mqtt://broker" in ran.stdout) == (0, False, True)
            assert ran.stdout.count("(hidden)") == 5

    def test_a_secret_of_a_wrong_type_is_not_shown(self, settings: Path) -> None:
        settings.write_text('[power]\ndriver = "wol"\noptions = { mac = "02:00:00:00:00:01", secure_on = 123456 }')
        said = one_line(run("config", "--config", settings), 3)
        assert said.startswith(f"{settings}: power.options.secure_on = (hidden) cannot be used; accepted: text")

    def test_unknown_driver(self, settings: Path) -> None:
        settings.write_text('[capture]\ndriver = "betamax"')
        said = one_line(run("config", "--config", settings), 3)
        assert said.startswith(f'{settings}: capture.driver = "betamax" cannot be used; accepted: "auto", ')
        assert '"virtual"' in said

    def test_no_file(self, tmp_path: Path) -> None:
        path = tmp_path / "none.toml"
        assert one_line(run("config", "--config", path), 3) == f"{path}: cannot be read: No such file or directory"

    def test_serve_refuses_wrong_settings(self, settings: Path) -> None:
        settings.write_text('[web]\nlisten = "80"')
        assert "web.listen" in one_line(run("serve", "--config", settings), 3)

    def test_serve_refuses_what_is_no_address(self, settings: Path) -> None:
        settings.write_text(f'{settings.read_text()}[web]\nlisten = ["localhost"]\n')
        ran = run("serve", "--config", settings, "--log-level", "error")
        said = one_line(ran, 3)
        assert said.startswith(f'{settings}: web: "localhost" is not an address; accepted: ADDRESS:PORT')


class TestDrivers:
    def test_list(self) -> None:
        ran = run("drivers")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert re.findall(r"^(\w+)  \[(\w+)\]  .+\.$", ran.stdout, re.MULTILINE).count(("virtual", "hid")) == 1

    def test_one(self) -> None:
        ran = run("drivers", "virtual")
        assert ran.returncode == 0
        assert re.findall(r"^\w.*?\]", ran.stdout, re.MULTILINE) == [
            f"virtual  [{role}]" for role in ("capture", "hid", "power")
        ]
        assert '  computer = "default"\n' in ran.stdout
        assert "  frame_rate = 30.0\n      number (at least 1, at most 240): Pictures a second.\n" in ran.stdout

    def test_unknown(self) -> None:
        said = one_line(run("drivers", "betamax"), 3)
        assert said.startswith('there is no driver "betamax"; there are: ')
        assert "virtual" in said

    def test_json(self) -> None:
        shown = json.loads(run("drivers", "v4l2", "--json").stdout)
        assert shown["broken"] == []
        assert [(driver["name"], driver["role"]) for driver in shown["drivers"]] == [("v4l2", "capture")]
        assert {"device", "usb_id"} <= {option["key"] for option in shown["drivers"][0]["options"]}


class TestDevices:
    def test_json(self) -> None:
        ran = run("devices", "--json")
        assert ran.returncode == 0
        shown = json.loads(ran.stdout)
        assert isinstance(shown["devices"], list)
        assert shown["roles"].keys() == {"capture", "hid", "power"}

    def test_what_fills_the_roles(self, settings: Path) -> None:
        settings.write_text('[capture]\ndriver = "virtual"\n[hid]\noptions = { udc = "no_such_controller" }')
        ran = run("devices", "--config", settings)
        assert ran.returncode == 0
        assert ran.stdout.endswith(
            "capture: virtual\nhid: no hid device with these options is plugged in\n"
            "power: no power device is plugged in\n"
        )
        roles = json.loads(run("devices", "--json", "--config", settings).stdout)["roles"]
        assert roles["capture"] == {"driver": "virtual", "device": None, "problem": None}
        assert roles["hid"]["problem"] == "no hid device with these options is plugged in"

    def test_what_is_plugged_in_is_listed_although_the_settings_are_wrong(self, settings: Path) -> None:
        settings.write_text("[capture]\nquality = 0")
        ran = run("devices", "--config", settings)
        assert "capture.quality" in one_line(ran, 3)
        assert "nothing is plugged in" in ran.stdout or "drivers: " in ran.stdout


class TestBoards:
    def test_list(self, settings: Path) -> None:
        ran = run("boards", "--config", settings)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "\npikvm-v3  PiKVM v3 (HAT for the Raspberry Pi 4)\n  has to be named, looks like model = " in ran.stdout
        assert '\n  capture: v4l2 { usb_id = "345f:2131", format = "MJPEG" }\n  hid: usb_gadget\n' in ran.stdout
        assert re.search(r"^this is .+: .+\nits firmware says: .+", ran.stdout, re.MULTILINE)

    def test_the_one_that_is_named(self, settings: Path) -> None:
        settings.write_text('board = "virtual"')
        assert f"\nthis is virtual: named in {settings}\n" in run("boards", "--config", settings).stdout

    def test_json(self, settings: Path) -> None:
        settings.write_text('board = "none"')
        shown = json.loads(run("boards", "--json", "--config", settings).stdout)
        assert (shown["board"], shown["why"]) == (None, f'board = "none" in {settings}')
        assert (shown["alike"], shown["broken"]) == ([], [])
        assert shown["facts"].keys() == {"model", "compatible", "chips", "product", "usb"}
        boards = {board["name"]: board for board in shown["boards"]}
        assert boards["blikvm-v4"]["known_by"]["model"] == "MangoPi Mcore*"
        assert boards["virtual"]["hid"] == {"driver": "virtual", "options": {}}

    def test_an_unknown_name(self, settings: Path) -> None:
        settings.write_text('board = "blikvm"')
        for command in ("boards", "config", "serve"):
            said = one_line(run(command, "--config", settings), 3)
            assert said.startswith(f'{settings}: board = "blikvm" cannot be used; accepted: "auto", "none", "blikvm-v1')

    def test_files_that_are_no_boards(self, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        wrong, good = tmp_path / "boards.d/a.toml", tmp_path / "boards.d/b.toml"
        wrong.parent.mkdir()
        wrong.write_text('name = "acme"')
        good.write_text('name = "other"\ntitle = "Other KVM"\nby_name = true\nhid = { driver = "virtual" }')
        monkeypatch.setattr("kvmd.contract.board.FOLDER", wrong.parent)
        ran = CliRunner().invoke(cli, ["boards", "--config", str(settings)])
        problem = f"{wrong}: title is missing; accepted: text"
        assert (ran.exit_code, ran.stderr) == (
            0,
            f"{problem}; kvmd does not start until the file is mended or removed\n",
        )
        assert ran.stdout.startswith("other  Other KVM\n  has to be named\n  capture: auto\n  hid: virtual\n")
        shown = json.loads(CliRunner().invoke(cli, ["boards", "--json", "--config", str(settings)]).stdout)
        assert shown["broken"] == [{"name": str(wrong), "reason": "title is missing; accepted: text"}]

    def test_a_file_that_is_checked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "acme.toml"
        file.write_text('name = "acme"\ntitle = "Acme"\nknown_by.product = "Acme*"\ncapture.driver = "virtual"\n')
        ran = CliRunner().invoke(cli, ["boards", "check", str(file)])
        said = f'{file}: acme is in order\nthis machine is none: no product = "Acme*"\nits roles, here and now:\n'
        assert (ran.exit_code, ran.stdout.startswith(f"{said}  capture: virtual\n  hid: ")) == (0, True), ran.stdout
        monkeypatch.setattr("kvmd.contract.board.read_facts", lambda: Facts(product="Acme KVM"))
        ran = CliRunner().invoke(cli, ["boards", "check", str(file)])
        assert 'this machine is one, by product = "Acme KVM"\n' in ran.stdout

    def test_a_file_that_is_wrong(self, tmp_path: Path) -> None:
        file = tmp_path / "acme.toml"
        file.write_text('name = "acme"\ntitle = "Acme"\nby_name = true\ncapture.driver = "none"\n')
        said = one_line(run("boards", "check", file), 3)
        assert said.startswith(f'{file}:4: capture.driver = "none" cannot be used; accepted: "auto", "')

    def test_boards_that_look_the_same(self, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        facts = Facts("Raspberry Pi Compute Module 4 Rev 1.0", chips=("toshiba,tc358743",))
        monkeypatch.setattr("kvmd.contract.board.read_facts", lambda: facts)
        ran = CliRunner().invoke(cli, ["boards", "--config", str(settings)])
        assert ran.stdout.endswith(f"""
this is compute-module-csi: model = "Raspberry Pi Compute Module 4 Rev 1.0", chip = "toshiba,tc358743"
its firmware says: model = "Raspberry Pi Compute Module 4 Rev 1.0"
these look the same: blikvm-v1-v2, pikvm-v4-mini, pikvm-v4-plus
if it is one of them, name it in {settings}, such as: board = "blikvm-v1-v2"
""")


class TestNew:
    def test_a_role_is_of_a_driver_alone(self, tmp_path: Path) -> None:
        ran = CliRunner().invoke(cli, ["new", "board", "acme", "--role", "hid", "--into", str(tmp_path)])
        assert (ran.exit_code, "--role is of a driver alone" in ran.stderr) == (2, True)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_next(self, tmp_path: Path) -> None:
        ran = CliRunner().invoke(cli, ["new", "driver", "acme", "--role", "hid", "--into", str(tmp_path)])
        assert f"  pip install -e {tmp_path}/acme'[test]'\n  pytest {tmp_path}/acme\n" in ran.stdout
        assert "class AcmeHid" in (tmp_path / "acme/kvmd_acme/__init__.py").read_text()


class TestPasswd:
    def test_too_short(self, settings: Path, secrets: Path) -> None:
        said = one_line(run("passwd", "--stdin", "--config", settings, given="short\n"), 1)
        assert said == "the password has 5 characters; at least 8 are needed"
        assert not secrets.exists()

    def test_is_kept_as_a_hash_that_only_the_owner_reads(self, settings: Path, secrets: Path) -> None:
        ran = run("passwd", "--stdin", "--config", settings, given="correct horse\n")
        assert (ran.returncode, ran.stdout) == (0, "the password of admin is set\n")
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        assert stat.S_IMODE(secrets.parent.stat().st_mode) == 0o700
        assert "horse" not in secrets.read_text()
        assert "$argon2id$" in secrets.read_text()

    def test_of_another_user(self, settings: Path, secrets: Path) -> None:
        said = one_line(run("passwd", "--stdin", "--config", settings, "eve", given="correct horse\n"), 1)
        assert said == 'there is no user named "eve"; kvmd user list shows them'
        assert not secrets.exists(), "a name that is mistyped makes no user"

    def test_a_file_that_cannot_be_written(self, settings: Path) -> None:
        settings.write_text('[auth]\nfile = "/proc/kvmd/auth.json"')
        said = one_line(run("passwd", "--stdin", "--config", settings, given="correct horse\n"), 3)
        assert said.startswith("/proc/kvmd/auth.json: cannot be written: ")


class TestUser:
    def test_life(self, settings: Path, secrets: Path) -> None:
        option = ["--config", settings]
        run("passwd", "--stdin", *option, given="correct horse\n")
        added = run("user", "add", "ann", "--stdin", *option, given="correct horse\n")
        assert added.stdout == "ann can log in, as operator\n"
        assert run("user", "role", "ann", "viewer", *option).stdout == "ann has the role viewer\n"
        assert run("user", "list", *option).stdout == "admin  admin\nann  viewer\n"
        assert json.loads(run("user", "list", "--json", *option).stdout)[1] == {
            "name": "ann",
            "role": "viewer",
            "totp": False,
        }
        said = one_line(run("user", "add", "ann", "--stdin", *option, given="correct horse\n"), 1)
        assert said.startswith('there is a user named "ann"; ')
        assert run("user", "remove", "ann", *option).stdout == "the user ann is removed\n"
        assert list(json.loads(secrets.read_text())["users"]) == ["admin"]
        for wrong in (("remove", "ann"), ("role", "ann", "admin"), ("totp", "ann", "--off")):
            assert one_line(run("user", *wrong, *option), 1).startswith('there is no user named "ann"')
        assert "the last admin" in one_line(run("user", "remove", "admin", *option), 1)

    def test_a_short_password(self, settings: Path, secrets: Path) -> None:
        said = one_line(run("user", "add", "ann", "--stdin", "--config", settings, given="short\n"), 1)
        assert said == "the password has 5 characters; at least 8 are needed"
        assert not secrets.exists()

    def test_codes(self, settings: Path, secrets: Path) -> None:
        option = ["--config", settings]
        run("passwd", "--stdin", *option, given="correct horse\n")
        asked = run("user", "totp", "admin", *option, given="000000\n")
        assert re.search(r"^secret: [A-Z2-7]{32}\notpauth://totp/\S+\n", asked.stdout)
        assert asked.stderr.splitlines()[-1].startswith("kvmd: the code is not that of this secret now; ")
        assert json.loads(secrets.read_text())["users"]["admin"]["totp"] is None
        Credentials(secrets).set_totp("admin", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        assert run("user", "list", *option).stdout == "admin  admin  with one-time codes\n"
        assert run("user", "totp", "admin", "--off", *option).stdout == "admin is asked for no codes any more\n"


class TestApiKey:
    def test_life(self, settings: Path, secrets: Path) -> None:
        option = ["--config", settings]
        assert run("apikey", "list", *option).stdout == ""
        added = run("apikey", "add", "script", *option)
        key = added.stdout.split("\n")[0]
        assert (added.returncode, len(key) > 30) == (0, True)
        assert f"Authorization: Bearer {key}" in added.stdout
        assert key not in secrets.read_text()
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        assert re.fullmatch(
            r"script  operator, made \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", run("apikey", "list", *option).stdout
        )
        assert run("apikey", "remove", "script", *option).stdout == "the API key script is removed\n"
        assert run("apikey", "list", *option).stdout == ""

    def test_json(self, settings: Path) -> None:
        added = json.loads(run("apikey", "add", "script", "--json", "--config", settings).stdout)
        assert (added["name"], added["key"].startswith("kvmd_")) == ("script", True)
        listed = json.loads(run("apikey", "list", "--json", "--config", settings).stdout)
        assert [(key["name"], key["role"], key["until"]) for key in listed] == [("script", "operator", None)]

    def test_a_role_and_an_end(self, settings: Path) -> None:
        run("apikey", "add", "wall", "--role", "viewer", "--days", "0.5", "--config", settings)
        listed = run("apikey", "list", "--config", settings).stdout
        assert re.fullmatch(r"wall  viewer, made .* UTC, ends \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", listed)
        for wrong in (("--role", "king"), ("--days", "0"), ("--days", "-1")):
            assert run("apikey", "add", "other", *wrong, "--config", settings).returncode == 2

    def test_names(self, settings: Path) -> None:
        run("apikey", "add", "script", "--config", settings)
        said = one_line(run("apikey", "add", "script", "--config", settings), 1)
        assert said.startswith('there is an API key named "script"; ')
        said = one_line(run("apikey", "remove", "other", "--config", settings), 1)
        assert said == 'there is no API key named "other"'


class TestGadget:
    def test_a_machine_that_has_none(self) -> None:
        """Exit code 4 is a device's; no machine that runs these tests has a controller of this name."""
        ran = run("gadget", "up", "--udc", "no_such_controller")
        assert ran.returncode == 4
        assert ran.stderr.startswith("kvmd: ")


class TestPluginsOfOthers:
    """A stranger's plug-in runs where it is needed, and never as root in kvmd-gadget.service."""

    @pytest.fixture
    def imported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A plug-in that notes that it is imported, and ends the process."""
        note = tmp_path / "imported"
        site = install(tmp_path, f"import os\nopen({str(note)!r}, 'w').close()\nos._exit(9)\n")
        monkeypatch.setenv("PYTHONPATH", str(site))
        return note

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("gadget status", 0),
            ("gadget up --udc no_such_controller", 4),
            ("edid --help", 0),
            ("config --help", 0),
            ("apikey list", 0),
        ],
    )
    def test_are_not_loaded_where_ours_suffice(self, imported: Path, settings: Path, command: str, code: int) -> None:
        ran = run("--config", settings, *command.split())
        assert (ran.returncode, imported.exists()) == (code, False), ran.stderr

    @pytest.mark.parametrize("command", ["drivers", "boards"])
    def test_are_not_loaded_where_they_are_switched_off(self, imported: Path, settings: Path, command: str) -> None:
        settings.write_text('disabled_plugins = ["acme"]')
        ran = run(command, "--config", settings)
        assert (ran.returncode, imported.exists()) == (0, False), ran.stderr
        if command == "drivers":
            assert ran.stderr == f"acme  is switched off: disabled_plugins in {settings}\n"
            assert json.loads(run("drivers", "--json", "--config", settings).stdout)["disabled"] == ["acme"]

    def test_are_named_where_they_fail(self, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(install(tmp_path, "KVMD_CONTRACT = 1000")))
        assert run("drivers", "--config", settings).stderr.splitlines()[-2:] == [
            "acme  cannot be used: it was made for contract 1000, and this kvmd has 1: upgrade kvmd-hal, or install an "
            "older version of the plug-in",
            f'to switch a plug-in off: disabled_plugins = ["acme"] in {settings}',
        ]

    @pytest.mark.parametrize("command", ["drivers", "--help", "acme"])
    def test_are_loaded_where_they_could_count(self, imported: Path, settings: Path, command: str) -> None:
        ran = run("--config", settings, command)
        assert (ran.returncode, imported.exists()) == (9, True)


PORTS = ("--port", "--video-port", "--tls-port")


class Demo:
    """`kvmd demo` on free ports, once it has said how to use it."""

    def __init__(self, folder: Path) -> None:
        given = [word for pair in zip(PORTS, free_ports(len(PORTS)), strict=True) for word in pair]
        command = [*KVMD, "demo", *given, "--log-level", "warning"]
        self.folder = folder
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        )
        assert self.process.stdout is not None
        self.text = ""
        for line in self.process.stdout:
            self.text += line
            if line.startswith("Ctrl+C"):
                break
        self.lines = [line.strip() for line in self.text.splitlines() if line.startswith("  curl ")]

    def shell(self, line: str) -> bytes:
        return subprocess.run(["sh", "-c", line], capture_output=True, check=True, cwd=self.folder).stdout

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        errors = self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(), errors


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    if demo.process.returncode is None:
        demo.process.kill()
        demo.end(signal.SIGKILL)


class TestDemo:
    def test_the_three_lines_it_prints_work(self, demo: Demo, tmp_path: Path) -> None:
        login, key, picture = demo.lines
        assert json.loads(demo.shell(login))["info"] == "login success"
        assert json.loads(demo.shell(key)) == {"status": 1, "info": "key input success", "data": []}
        assert demo.shell(picture) == b""
        assert (tmp_path / "snapshot.jpg").read_bytes().startswith(JPEG)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it(self, demo: Demo, number: signal.Signals) -> None:
        assert demo.end(number) == (0, "")

    def test_only_this_machine_reaches_it(self, demo: Demo) -> None:
        addresses = re.findall(r"https?://(.*?):\d+", demo.text)
        assert set(addresses) == {"127.0.0.1"}

    def test_the_page_is_there_with_and_without_tls(self, demo: Demo) -> None:
        [page] = re.findall(r"page +(http://\S+)", demo.text)
        assert b"<html" in demo.shell(f"curl -s {page}")
        [secure] = re.findall(r"https://\S+", demo.text)
        assert b"<html" in demo.shell(f"curl -sk {secure}")

    def test_keys_need_the_login(self, demo: Demo) -> None:
        url = re.findall(r"http://\S+/keyboard", demo.text)[0]
        answer = json.loads(demo.shell(f'curl -s {url} -d \'{{"keycodes": ["KeyA"]}}\''))
        assert answer["status"] == 0
        basic = base64.b64encode(b"admin:admin").decode()
        answer = json.loads(
            demo.shell(f"curl -s -H 'Authorization: Basic {basic}' {url} -d '{{\"keycodes\": [\"KeyA\"]}}'")
        )
        assert answer["status"] == 1

    @pytest.mark.parametrize("option", PORTS)
    def test_a_port_in_use(self, option: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            others = [other for other in PORTS if other != option]
            free = [word for pair in zip(others, free_ports(2), strict=True) for word in pair]
            ran = run("demo", option, port, *free, "--log-level", "error")
        assert one_line(ran, 3) == f"cannot listen on 127.0.0.1:{port}: Address already in use; give another {option}"


def test_unknown_driver_in_settings_keeps_the_daemon_from_starting(settings: Path) -> None:
    settings.write_text('[hid]\ndriver = "morse"')
    assert 'hid.driver = "morse"' in one_line(run("serve", "--config", settings), 3)
