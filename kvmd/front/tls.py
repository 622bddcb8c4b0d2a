"""TLS: the certificate in use, taken anew when its files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from kvmd.errors import ConfigError

logger = logging.getLogger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, those with forward secrecy and authenticated encryption; those of TLS 1.3 all are such."""

Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """A certificate with its chain, and its key.

    :param certificate: a file of PEM
    :param key: a file of PEM
    :raises ConfigError: they cannot be used
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        try:
            self._stamp = self._look()
            self.context = _context(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"TLS: {certificate} and {key} cannot be used: {_reason(error)}; "
                "set web.certificate and web.key, or neither"
            ) from error

    def refresh(self) -> None:
        """Take the files anew if they have changed; those in use stay while the new ones cannot be used."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self.context = _context(*self._paths)
        except (OSError, ssl.SSLError) as error:
            logger.warning("TLS: %s and %s: %s; the certificate before stays in use", *self._paths, _reason(error))
        else:
            logger.info("TLS: %s has changed, and is in use", self._paths[0])

    def _look(self) -> Stamp:
        stats = [path.stat() for path in self._paths]
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
