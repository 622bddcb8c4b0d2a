"""Taking secrets out of texts: those that are known, and whatever looks like one.

What is known is taken out wherever it stands, such as in a line of the log; shapes are for what nobody here knows, such
as a token that a proxy has logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

import msgspec

from kvmd.access.credentials import Credentials
from kvmd.contract.settings import RoleSettings, Settings
from kvmd.errors import ConfigError
from kvmd.system.config import HIDDEN, secrets_in

SHORTEST = 4
"""Characters of a secret that is taken out wherever it stands; shorter ones would leave no text whole."""

_NAMES = r"password|passphrase|passwd|secret|token|credential|psk|totp|(?:api|private)[_-]?key"
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
SHAPES = (
    _KEY,
    re.compile(r"\$argon2\w*\$[^\s\"']+"),
    re.compile(r"kvmd_[0-9a-f]{40}"),
    re.compile(r"otpauth://\S+"),
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]+|(?<=basic )[\w+/=-]{8,}"),
    re.compile(r"(?i)(?<=cookie: )[^\r\n]+|(?<=authorization: )[^\r\n]+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"kvmd_token_\w+=[^\s;\"']+"),
)
_NAMED = re.compile(
    rf"(?i)((?:{_NAMES})s?\\?[\"']?\s*[=:]\s*)(?:(\\?[\"'])(?:\\.|(?!\2)[^\\])*\2|\[[^\]\n]*\]|[^\s\"',;&}}\]]+)"
)
"""What stands behind a name of a secret, also in JSON, and in JSON within JSON."""
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)|(?<![\w.:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:]|\.\d)"
)
_MAC = re.compile(r"\b([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){2})(?::[0-9A-Fa-f]{2}){3}\b")


class Redaction:
    """Takes secrets out of texts.

    Addresses that everybody can reach are replaced by a number, the same for the same address, as they say who somebody
    is; those of the own network stay, and the half of MAC addresses that names the maker.

    :param secrets: those that are known
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST}
        known |= {msgspec.json.encode(secret).decode()[1:-1] for secret in known}  # as it stands in JSON and in TOML
        # The longest first, as one may be a part of another.
        parts = [re.escape(secret) for secret in sorted(known, key=len, reverse=True)]
        self._known = re.compile("|".join(parts)) if parts else None
        self._addresses: dict[str, str] = {}

    def clean(self, text: str) -> str:
        """Return a text without secrets."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        for shape in SHAPES:
            text = shape.sub(HIDDEN, text)
        text = _NAMED.sub(lambda found: f"{found[1]}{found[2] or ''}{HIDDEN}{found[2] or ''}", text)
        return _MAC.sub(r"\1:xx:xx:xx", _ADDRESS.sub(self._number, text))

    def _number(self, found: re.Match[str]) -> str:
        try:
            address = ip_address(found[0])
        except ValueError:
            return found[0]
        if not address.is_global:
            return found[0]
        return self._addresses.setdefault(str(address), f"(address {len(self._addresses) + 1})")


def known_secrets(settings: Settings, roles: Iterable[RoleSettings], declared: Iterable[str]) -> Iterator[str]:
    """List the secrets of this machine that may be read.

    :param roles: what fills the roles, by the settings or the board
    :param declared: the names of drivers' options that are secrets
    """
    given: Mapping[str, object] = {**settings.plugins, "roles": [role.options for role in roles]}
    yield from secrets_in(given, set(declared))
    credentials = Credentials(Path(settings.auth.file))
    yield from _keys(credentials.path.parent.glob("*.pem"))
    yield from _keys(settings.web.own_certificate or ())
    try:
        contents = credentials.read()
        yield from (secret for user in contents.users.values() for secret in (user.password, user.totp) if secret)
        yield from (key.sha256 for key in contents.keys.values())
        yield credentials.first_password_path.read_text().strip()
    except (ConfigError, OSError, msgspec.MsgspecError):
        return  # what may not be read cannot be in what is read


def _keys(files: Iterable[Path]) -> Iterator[str]:
    """List the lines of the private keys in files of PEM."""
    for path in files:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue  # likewise
        yield from (line for key in _KEY.findall(text) for line in key.splitlines()[1:-1])
