"""kvmd.toml: every mistake is named with its file, key, value and what is accepted; what is shown is what holds."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmd.contract import settings as sections
from kvmd.contract.settings import CaptureSettings, Settings, load, source_of
from kvmd.errors import ConfigError
from kvmd.system.config import options_of, value_of

BOUNDED = "whole number (at least 1, at most 100)"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a settings file and return its path."""

    def write(text: str) -> Path:
        path = tmp_path / "kvmd.toml"
        path.write_text(text)
        return path

    return write


def message(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(ConfigError) as raised:
        call(*args)
    return str(raised.value)


class TestMistakesInTheFile:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "foo = 1",
                "foo is not known; there are: auth, board, capture, disabled_plugins, hid, plugins, power, web",
            ),
            (
                "[web]\nport = 80",
                "web.port is not known; there are: certificate, hsts, http, key, listen, names, tls_listen, "
                "trusted_proxies, video_listen, video_tls_listen",
            ),
            ('[web]\nkey = "/key.pem"', "web: key is set without certificate; set both, or neither"),
            ('[web]\nhttp = "off"\ntls_listen = []', 'web: http = "off" needs an address in tls_listen'),
            (
                '[web]\nnames = ["https://kvm.example/"]',
                'web: "https://kvm.example/" is not a name; accepted: NAME or NAME:PORT, such as "kvm.example", '
                "without https:// and without a path",
            ),
            (
                '[web]\ntrusted_proxies = ["proxy.example"]',
                'web: "proxy.example" is not the address of a proxy; accepted: an address or network, such as '
                '"127.0.0.1" or "192.0.2.0/24", or "unix"',
            ),
            ('[web]\nhttp = "no"', 'web.http = "no" cannot be used; accepted: one of "api", "redirect", "off"'),
            ("[web.listen]\na = 1", "web.listen = { a = 1 } cannot be used; accepted: list of text"),
            ("board = 3", "board = 3 cannot be used; accepted: text"),
            ("capture = 3", "capture = 3 cannot be used; accepted: a table [capture]"),
            ("[capture]\ndriver = true", "capture.driver = true cannot be used; accepted: text"),
            ("[capture]\noptions = 3", "capture.options = 3 cannot be used; accepted: table"),
            ('[capture]\nquality = "high"', f'capture.quality = "high" cannot be used; accepted: {BOUNDED}'),
            ("[capture]\nquality = 0", f"capture.quality = 0 cannot be used; accepted: {BOUNDED}"),
            ("[capture]\nquality = 101", f"capture.quality = 101 cannot be used; accepted: {BOUNDED}"),
            ("[capture]\nquality = 2020-01-01", f"capture.quality = 2020-01-01 cannot be used; accepted: {BOUNDED}"),
            (
                "[hid]\nhold_timeout = nan",
                "hid.hold_timeout = nan cannot be used; accepted: number (above 0, at most 3600)",
            ),
            ("[plugins]\nacme = 1", "plugins = { acme = 1 } cannot be used; accepted: table"),
            ('[web]\nlisten = "[::]:80"', 'web.listen = "[::]:80" cannot be used; accepted: list of text'),
            ("[web]\nlisten = [80]", "web.listen = [80] cannot be used; accepted: list of text"),
            (
                '[auth]\nopen = ["keys"]',
                'auth.open = ["keys"] cannot be used; accepted: list of one of "stream", "snapshot", "keyboard", '
                '"mouse", "status", "devices"',
            ),
        ],
    )
    def test_are_named(self, write: Callable[[str], Path], text: str, expected: str) -> None:
        path = write(text)
        assert message(load, path) == f"{path}: {expected}"

    def test_not_toml(self, write: Callable[[str], Path]) -> None:
        path = write("[capture\n")
        assert message(load, path).startswith(f"{path}: not TOML: ")

    def test_not_text(self, tmp_path: Path) -> None:
        path = tmp_path / "kvmd.toml"
        path.write_bytes(b'name = "\xff"')
        assert message(load, path).startswith(f"{path}: not TOML: ")

    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "none.toml"
        assert message(load, path) == f"{path}: cannot be read: No such file or directory"

    def test_unreadable(self, tmp_path: Path) -> None:
        assert message(load, tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


class TestLoad:
    def test_defaults(self, write: Callable[[str], Path]) -> None:
        settings = load(write(""))
        assert settings == Settings()
        assert (settings.capture.driver, settings.hid.driver) == ("auto", "auto")
        assert settings.web.listen == ["[::]:80"]
        assert settings.web.video_listen == ["[::]:8008"]
        assert settings.auth.open == []

    def test_without_a_default_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "DEFAULT_PATH", tmp_path / "kvmd.toml")
        assert load(None) == Settings()

    def test_with_a_default_file(self, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "DEFAULT_PATH", write("[capture]\nquality = 50"))
        assert load(None).capture.quality == 50

    def test_the_example_of_the_documentation(self, write: Callable[[str], Path]) -> None:
        settings = load(
            write('[capture]\noptions = { device = "/dev/video0" }\n[auth]\nopen = ["stream", "snapshot"]\n')
        )
        assert settings.capture.options == {"device": "/dev/video0"}
        assert settings.auth.open == ["stream", "snapshot"]

    def test_settings_cannot_change(self) -> None:
        with pytest.raises(AttributeError):
            Settings().capture.quality = 1  # type: ignore[misc]  # mypy sees it, too


class TestSettings:
    def test_settings_are_listed_in_their_order(self) -> None:
        assert [option.key for option in options_of(Settings)] == [
            "board",
            "disabled_plugins",
            "capture.driver",
            "capture.options",
            "capture.quality",
            "hid.driver",
            "hid.options",
            "hid.hold_timeout",
            "hid.layout",
            "power.driver",
            "power.options",
            "power.short_press",
            "power.long_press",
            "web.listen",
            "web.video_listen",
            "web.names",
            "web.trusted_proxies",
            "web.tls_listen",
            "web.video_tls_listen",
            "web.http",
            "web.certificate",
            "web.key",
            "web.hsts",
            "auth.open",
            "auth.file",
            "auth.token_lifetime",
            "auth.token_longest",
            "auth.plugin_role",
            "plugins",
        ]

    def test_every_setting_has_a_help_text(self) -> None:
        assert [option.key for option in options_of(Settings) if not option.help.endswith(".")] == []

    def test_values(self) -> None:
        settings = Settings(capture=CaptureSettings(quality=7))
        values = {option.key: value_of(settings, option) for option in options_of(Settings)}
        assert values["capture.quality"] == 7
        assert values["web.listen"] == ["[::]:80"]

    def test_sources(self, write: Callable[[str], Path]) -> None:
        path = write("[capture]\nquality = 80\noptions = {}\n[auth]\nopen = []")
        sources = {option.key: source_of(path, option) for option in options_of(Settings)}
        given = {key for key, source in sources.items() if source == str(path)}
        assert given == {"capture.quality", "capture.options", "auth.open"}
        assert {source for key, source in sources.items() if key not in given} == {"default"}

    def test_source_without_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "DEFAULT_PATH", tmp_path / "none.toml")
        assert source_of(None, next(options_of(Settings))) == "default"


def test_the_file_that_is_installed_shows_the_defaults(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "etc" / "kvmd.toml"
    path = tmp_path / "kvmd.toml"
    path.write_text(re.sub(r"(?m)^# (\w+ = )", r"\1", shipped.read_text()))
    assert load(shipped) == load(path) == Settings()
    given = tomllib.loads(path.read_text())
    sections = {f"{name}.{key}" for name, section in given.items() if isinstance(section, dict) for key in section}
    # The tables of plug-ins are theirs, and have no defaults here.
    assert sections | {name for name, value in given.items() if not isinstance(value, dict)} == {
        option.key for option in options_of(Settings)
    } - {"plugins"}
