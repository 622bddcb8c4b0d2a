"""TLS: the certificate in use, taken anew when its files change."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from kvmd.errors import ConfigError

logger = logging.getLogger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, those with forward secrecy and authenticated encryption; those of TLS 1.3 all are such."""

Files = tuple[Path, Path]
Stamp = tuple[tuple[Path, int, int, int], ...]


class Certificate:
    """A certificate with its chain, and its key.

    :param find: says which files they are, of PEM, and may make them; asked again and again, as they may change
    :param way_out: what to do where they cannot be used, for the message
    :raises ConfigError: they cannot be used
    """

    def __init__(self, find: Callable[[], Files], way_out: str) -> None:
        self._find = find
        files = find()
        try:
            self._stamp = _stamp(files)
            self.context = _context(*files)
        except OSError as error:
            raise ConfigError(f"TLS: {_name(files)}: {_reason(error)}; {way_out}") from error

    def refresh(self) -> None:
        """Take the files anew if they have changed; those in use stay while the new ones cannot be used."""
        try:
            files = self._find()
            stamp = _stamp(files)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self.context = _context(*files)
        except (OSError, ConfigError) as error:
            logger.warning("TLS: %s; the certificate before stays in use", _reason(error))
        else:
            logger.info("TLS: %s has changed, and is in use", _name(files))


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # A password is never asked for: the daemon has no terminal.
    context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


def _stamp(files: Files) -> Stamp:
    stats = [(path, path.stat()) for path in files]
    return tuple((path, stat.st_mtime_ns, stat.st_ino, stat.st_size) for path, stat in stats)


def _name(files: Files) -> str:
    return " and ".join(str(path) for path in dict.fromkeys(files))


def _reason(error: Exception) -> str:
    """Return the words of the system or of OpenSSL, with the file where the system names one."""
    if not isinstance(error, OSError):
        return str(error)
    words = error.strerror or str(error)
    return f"{error.filename}: {words}" if error.filename else words
