"""kvmd.toml as frozen, typed settings: a section for each role, and those of the daemon itself.

``python -m docs.generate`` makes docs/configuration.md from these.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kvmd.contract.addresses import UNIX, parse_address, parse_name, parse_network
from kvmd.system.config import Option, read_toml, value_at

DEFAULT_PATH = Path("/etc/kvmd/kvmd.toml")

Endpoint = Literal["stream", "snapshot", "keyboard", "mouse", "status", "devices"]
Plain = Literal["api", "redirect", "off"]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class RoleSettings(_Section, frozen=True, forbid_unknown_fields=True):
    """Which driver fills a role."""

    driver: Annotated[
        str, Meta(description='"auto": the best match among what is plugged in; or a driver\'s name.')
    ] = "auto"
    options: Annotated[
        dict[str, Any],
        Meta(description="The driver's own options: see its page, or `kvmd drivers NAME`."),
    ] = msgspec.field(default_factory=dict)


class CaptureSettings(RoleSettings, frozen=True, forbid_unknown_fields=True):
    """The picture."""

    quality: Annotated[
        int, Meta(ge=1, le=100, description="JPEG quality of raw pictures; MJPEG of the device passes untouched.")
    ] = 80


class HidSettings(RoleSettings, frozen=True, forbid_unknown_fields=True):
    """Keyboard and mouse."""

    hold_timeout: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds after which a silent HTTP client's held keys are released."),
    ] = 10.0
    layout: Annotated[
        str,
        Meta(
            description="The keyboard layout that the target is set to, for text: a name that `kvmd type --layouts` "
            'lists, such as "de", "us(intl)" or "fr(mac)". See [text](text.md).'
        ),
    ] = "us"


class PowerSettings(RoleSettings, frozen=True, forbid_unknown_fields=True):
    """The power button, the reset button and the lamps of the target."""

    short_press: Annotated[
        float,
        Meta(ge=0.1, le=20, description="Seconds for which a button is pressed to switch on, shut down or reset."),
    ] = 0.5
    long_press: Annotated[
        float, Meta(ge=0.1, le=20, description="Seconds for which the power button is pressed to force the target off.")
    ] = 6.0


class WebSettings(_Section, frozen=True, forbid_unknown_fields=True):
    """HTTP: addresses are `ADDRESS:PORT`, IPv6 in brackets, or `unix:/PATH`; `[::]` is every address, IPv4 too."""

    listen: Annotated[list[str], Meta(description="Where the API and the page are served.")] = msgspec.field(
        default_factory=lambda: ["[::]:80"]
    )
    video_listen: Annotated[list[str], Meta(description="Where /stream and /snapshot are served.")] = msgspec.field(
        default_factory=lambda: ["[::]:8008"]
    )
    names: Annotated[
        list[str],
        Meta(
            description="Names under which browsers find this machine, beside its addresses and its own names: that of "
            'a proxy, such as "kvm.example", with the port where it is not 80 or 443. See [proxies](proxies.md).'
        ),
    ] = msgspec.field(default_factory=list)
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Addresses and networks of proxies whose X-Forwarded-For, -Proto, -Host and -Prefix are "
            'believed; "unix": of whoever comes by a Unix socket. None by default: a proxy that does not set them '
            "itself hands on what strangers send. See [proxies](proxies.md)."
        ),
    ] = msgspec.field(default_factory=list)

    tls_listen: Annotated[list[str], Meta(description="Where the API and the page are served with TLS.")] = (
        msgspec.field(default_factory=lambda: ["[::]:443"])
    )
    video_tls_listen: Annotated[list[str], Meta(description="Where /stream and /snapshot are served with TLS.")] = (
        msgspec.field(default_factory=lambda: ["[::]:8443"])
    )
    http: Annotated[
        Plain,
        Meta(
            description='What is served without TLS: "api": everything, but a browser that asks for the page is sent '
            'to https; "redirect": nothing, whoever asks is sent to https; "off": nothing, nobody listens there.'
        ),
    ] = "api"
    certificate: Annotated[
        str,
        Meta(
            description="The certificate with its chain, a file of PEM; taken anew when it changes. Empty: what "
            "`kvmd certificate` has installed, or else one that the daemon makes for itself."
        ),
    ] = ""
    key: Annotated[
        str, Meta(description="The certificate's key, a file of PEM; empty if `certificate` has it, too.")
    ] = ""
    hsts: Annotated[
        int,
        Meta(
            ge=0,
            description="Seconds for which browsers are to come with TLS alone (Strict-Transport-Security); 0: it is "
            "not said. Only with a certificate that they trust: with another one, they let nobody in any more.",
        ),
    ] = 0

    def __post_init__(self) -> None:
        for address in (*self.listen, *self.video_listen, *self.tls_listen, *self.video_tls_listen):
            parse_address(address)
        for name in self.names:
            parse_name(name)
        for proxy in self.trusted_proxies:
            if proxy != UNIX:
                parse_network(proxy)
        if self.key and not self.certificate:
            raise ValueError("key is set without certificate; set both, or neither")
        if self.http != "api" and not self.tls_listen:
            raise ValueError(f'http = "{self.http}" needs an address in tls_listen')

    @property
    def own_certificate(self) -> tuple[Path, Path] | None:
        """The files of ``certificate`` and of its key, which may be one; None where they are not set."""
        return (Path(self.certificate), Path(self.key or self.certificate)) if self.certificate else None


class AuthSettings(_Section, frozen=True, forbid_unknown_fields=True):
    """Who may do what."""

    open: Annotated[
        list[Endpoint],
        Meta(description="What needs no login, for old clients that send none."),
    ] = msgspec.field(default_factory=list)
    file: Annotated[str, Meta(description="Where password and API key hashes are kept, readable by kvmd alone.")] = (
        "/var/lib/kvmd/auth.json"
    )
    token_lifetime: Annotated[float, Meta(gt=0, description="Seconds without use after which a login ends.")] = 86400.0
    token_longest: Annotated[
        float, Meta(gt=0, description="Seconds after which a login ends, however much it is used.")
    ] = 2592000.0
    plugin_role: Annotated[
        Literal["viewer", "operator", "admin"],
        Meta(description="What those may do whom a plug-in lets in and whom `kvmd user list` does not show."),
    ] = "operator"


PluginTables = Annotated[
    dict[str, dict[str, Any]],
    Meta(description="Of each plug-in that has settings a table `[plugins.NAME]`: see its page."),
]


class Settings(_Section, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    board: Annotated[
        str,
        Meta(
            description='Which board this is: "auto": the one that is recognised; "none": none; or a name that '
            "`kvmd boards` lists."
        ),
    ] = "auto"
    disabled_plugins: Annotated[
        list[str], Meta(description="Names of plug-ins that are not loaded, as `kvmd drivers` shows those that fail.")
    ] = msgspec.field(default_factory=list)
    capture: CaptureSettings = msgspec.field(default_factory=CaptureSettings)
    hid: HidSettings = msgspec.field(default_factory=HidSettings)
    power: PowerSettings = msgspec.field(default_factory=PowerSettings)
    web: WebSettings = msgspec.field(default_factory=WebSettings)
    auth: AuthSettings = msgspec.field(default_factory=AuthSettings)
    plugins: PluginTables = msgspec.field(default_factory=dict)

    @property
    def control(self) -> Path:
        """The daemon's private socket, by which the command line asks it, beside the file with the hashes."""
        return Path(self.auth.file).with_name("control.sock")


def load(path: Path | None) -> Settings:
    """Read the settings; without a path, the default file, which need not exist.

    :raises ConfigError: the file cannot be used
    """
    if path is None and not DEFAULT_PATH.exists():
        return Settings()
    return read_toml(path or DEFAULT_PATH, Settings)


def source_of(path: Path | None, option: Option) -> str:
    """Say where a setting's value comes from: the file that was read, or the default."""
    path = path or DEFAULT_PATH
    try:
        given = tomllib.loads(path.read_text())
    except OSError:
        given = {}
    return "default" if value_at(given, option.key) is None else str(path)
