"""The certificate for HTTPS, as files in the daemon's state folder.

``self-signed.pem`` is the daemon's own: made at the first start, and made anew before it ends. ``certificate.pem`` is
what a person has installed: it goes first, and the daemon never writes it. Each holds the key and the chain, so that a
power cut leaves both or neither, and is readable by its owner alone.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from kvmd.access import pki
from kvmd.access.pki import Identity
from kvmd.errors import ConfigError, RequestError
from kvmd.system.addresses import addresses, host_names
from kvmd.system.files import write_private

logger = logging.getLogger(__name__)

INSTALLED = "certificate.pem"
SELF_SIGNED = "self-signed.pem"

IN_FOLDER = "auth.file says in which folder"

RENEWAL = timedelta(days=30)
"""How long before its end a self-signed certificate is made anew, and a person is reminded of an installed one's."""

WRITTEN = datetime(2026, 11, 27, tzinfo=UTC)
"""When this was written: a clock that is before that is wrong, as it is on boards whose clock has no battery."""


def ensure(folder: Path) -> tuple[Path, Path]:
    """Return the files of the certificate and of its key; make them where there are none that can be used.

    For the server: ask at the start and then about once a minute, and load the files where their names, or what
    ``stat`` says of them, have changed. A clock that was set, an end that comes near and what ``kvmd certificate`` has
    done are seen then.

    :param folder: the state folder
    :return: the certificate and the key, which may be one file
    :raises ConfigError: there are none, and the folder cannot be written
    """
    path = _usable_installed(folder) or _usable_self_signed(folder)
    return path, path


def in_force(folder: Path, named: tuple[Path, Path] | None = None) -> tuple[Path, Identity]:
    """Return what the daemon serves, and where the certificate is.

    :param named: the files that the settings name, if they do; these go first
    :raises ConfigError: there is nothing yet, or it cannot be read
    """
    if named:
        return named[0], _read(*named, "web.certificate and web.key name it")
    path = folder / INSTALLED
    if not _is_there(path):
        path = folder / SELF_SIGNED
    if not _is_there(path):
        raise ConfigError(f"{path}: not there yet; the daemon makes it at its start, or kvmd certificate new")
    return path, _read(path, path)


def renew(folder: Path, *, discard: bool = False) -> Identity:
    """Make a new key with a new self-signed certificate.

    :param discard: take away the one that a person has installed, which otherwise is in the way
    :raises RequestError: one is installed
    :raises ConfigError: the folder cannot be written
    """
    installed = folder / INSTALLED
    if _is_there(installed) and not discard:
        raise RequestError(f"{installed} is installed and goes first; --discard takes it away, with its key")
    identity = _make(folder / SELF_SIGNED, pki.new_key())
    try:
        installed.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{installed}: cannot be removed: {error.strerror}") from error
    return identity


def request(identity: Identity, names: list[str]) -> bytes:
    """Write a request for another certificate for the same key, in PEM.

    :param names: what the certificate is to be for; none for this machine's names and addresses
    :raises RequestError: a name is none
    """
    try:
        return pki.request(identity.key, names or machine_names())
    except ValueError as error:
        raise RequestError(f"not a host name or address: {error}") from error


def install(folder: Path, chain: bytes, key: bytes | None) -> Identity:
    """Install a certificate from PEM.

    :param chain: the key's own certificate first; the key may be in there, too
    :param key: the key; None for the one in ``chain`` or else the one in force, which ``request`` was for
    :raises RequestError: they cannot be used; nothing has changed
    :raises ConfigError: the folder cannot be written
    """
    if key is None:
        key = chain if pki.has_key(chain) else in_force(folder)[1].pem()
    identity = pki.read_identity(chain, key)
    pki.check(identity, _now())
    _write(folder / INSTALLED, identity)
    return identity


def machine_names() -> list[str]:
    """List the names and addresses by which a browser reaches this machine."""
    try:
        own = addresses()
    except OSError as error:
        _warn(f"the addresses of this machine cannot be listed: {error}")
        own = []
    return [*host_names(), *map(str, own)]


def _usable_installed(folder: Path) -> Path | None:
    path = folder / INSTALLED
    try:
        if not _is_there(path):
            return None
        identity = _read(path, path)
    except ConfigError as error:
        _warn(f"{error}; until then HTTPS has a self-signed certificate; kvmd certificate install mends it")
        return None
    end = identity.certificate.not_valid_after_utc
    if _now() > end - RENEWAL:
        _warn(f"{path}: the certificate's end is {end:%Y-%m-%d}; kvmd certificate install takes its successor")
    return path


def _usable_self_signed(folder: Path) -> Path:
    """Return the file, made anew where that is due; one that cannot be written is kept as long as it can be read."""
    path = folder / SELF_SIGNED
    identity = None
    try:
        if _is_there(path):
            identity = _read(path, path)
    except ConfigError as error:
        logger.warning("%s; it is made anew", error)
    if identity and not _is_due(identity):
        return path
    try:
        _make(path, identity.key if identity else pki.new_key())
    except ConfigError as error:
        if identity is None:
            raise
        _warn(f"the certificate has to be made anew: {error}")
    return path


def _is_due(identity: Identity) -> bool:
    """Tell whether a certificate has to be made anew, which what the browsers remember of it does not survive."""
    certificate = identity.certificate
    if not _beyond_loopback(pki.alternative_names(certificate)) and _beyond_loopback(machine_names()):
        return True  # the network was not up yet at the first start
    if datetime.now(UTC) < WRITTEN:
        return False  # by such a clock nothing can be said
    return not certificate.not_valid_before_utc <= _now() <= certificate.not_valid_after_utc - RENEWAL


def _make(path: Path, key: pki.Key) -> Identity:
    identity = pki.self_signed(key, machine_names(), _now())
    _write(path, identity)
    logger.info("made a self-signed certificate, SHA-256 %s: %s", pki.fingerprint(identity.certificate), path)
    return identity


def _beyond_loopback(names: list[str]) -> bool:
    return any(not ip_address(name).is_loopback for name in names if _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _now() -> datetime:
    """Return the time; the earliest that it can be, where the clock has not been set yet."""
    return max(datetime.now(UTC), WRITTEN)


def _is_there(path: Path) -> bool:
    """Tell whether there is such a file.

    :raises ConfigError: its folder cannot be looked into
    """
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(error) from error
    return True


def _read(chain: Path, key: Path, why: str = IN_FOLDER) -> Identity:
    """Read a key and its chain, which may be in one file.

    :param why: it is these files, for the message
    :raises ConfigError: they cannot be used
    """
    try:
        return pki.read_identity(chain.read_bytes(), key.read_bytes())
    except OSError as error:
        raise _unreadable(error, why) from error
    except RequestError as error:
        raise ConfigError(f"{chain}: cannot be used: {error}") from error


def _write(path: Path, identity: Identity) -> None:
    try:
        write_private(path, identity.pem())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; {IN_FOLDER}") from error


def _unreadable(error: OSError, why: str = IN_FOLDER) -> ConfigError:
    return ConfigError(f"{error.filename}: cannot be read: {error.strerror}; {why}")


@lru_cache(maxsize=64)
def _warn(message: str) -> None:
    """Log a warning, once for each message: the server asks again and again."""
    logger.warning("%s", message)
