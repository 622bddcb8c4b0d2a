"""Keys and certificates: made, read from PEM, and checked as a browser would; no files.

A certificate that is made here is its own issuer, and no authority: it signs nothing else (RFC 5280 section 4.2.1.9).
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kvmd.contract.reports import CertificateReport
from kvmd.errors import RequestError

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

BEGUN = timedelta(days=400)
LASTS = timedelta(days=424)
"""How long a new certificate has been valid, and will be. Apple's systems take at most 825 days in all, also where a
person trusts the certificate ("Requirements for trusted certificates in iOS 13 and macOS 10.15"); and a clock that is
wrong by a year, either way, makes one that is valid."""

_KEY_MARK = b"PRIVATE KEY-----"
_CERTIFICATE_MARK = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Identity:
    """A key and its chain of certificates, the key's own first."""

    key: Key
    chain: Sequence[x509.Certificate]

    @property
    def certificate(self) -> x509.Certificate:
        """The key's own."""
        return self.chain[0]

    def pem(self) -> bytes:
        """Write both, the key first, as ``ssl.SSLContext.load_cert_chain`` reads them from one file."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)


def new_key() -> Key:
    """Make a key that every browser takes: ECDSA P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(key: Key, names: Sequence[str], now: datetime) -> Identity:
    """Make a certificate for a key.

    :param names: host names and IP addresses, the one that it is shown under first
    :param now: when the validity is counted from
    """
    name = _distinguished_name(names)
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number(), now - BEGUN, now + LASTS)
    for extension, critical in (
        (_alternative_names(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical)
    return Identity(key, [builder.sign(key, hashes.SHA256())])


def request(key: Key, names: Sequence[str]) -> bytes:
    """Write a request for a certificate (RFC 2986), in PEM."""
    builder = x509.CertificateSigningRequestBuilder(_distinguished_name(names))
    signed = builder.add_extension(_alternative_names(names), critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM)


def read_identity(chain: bytes, key: bytes) -> Identity:
    """Read a chain and its key from PEM, which may be the same file.

    :raises RequestError: one is missing or damaged, or they do not fit
    """
    identity = Identity(read_key(key), read_chain(chain))
    if not fits(identity.key, identity.certificate):
        raise RequestError(_why_unfit(identity))
    return identity


def read_key(pem: bytes) -> Key:
    """Read the private key of a PEM file.

    :raises RequestError: there is none, or none that can be used
    """
    if _KEY_MARK not in pem:
        raise RequestError("there is no private key in PEM in it")
    try:
        key = load_pem_private_key(pem[_key_at(pem) :], password=None)
    except TypeError as error:
        raise RequestError("the private key is encrypted: decrypt it with openssl pkey -in KEY -out PLAIN") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestError("the private key is damaged, or of a kind that is not known") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise RequestError("the private key is of a kind that browsers do not take: ECDSA and RSA are taken")
    return key


def has_key(pem: bytes) -> bool:
    """Tell whether a PEM file has a private key."""
    return _KEY_MARK in pem


def read_chain(pem: bytes) -> list[x509.Certificate]:
    """Read the certificates of a PEM file.

    :raises RequestError: there is none, or one is damaged
    """
    if _CERTIFICATE_MARK not in pem:
        raise RequestError("there is no certificate in PEM in it; openssl x509 -inform der makes PEM of DER")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise RequestError("a certificate in it is damaged") from error


def check(identity: Identity, now: datetime) -> None:
    """Refuse what a browser would refuse whoever signed it, and what TLS cannot serve.

    :raises RequestError: it is over or not yet valid, it has no names, its chain is not in order, or OpenSSL refuses it
    """
    for certificate in identity.chain:
        _check_validity(certificate, now)
    for certificate, issuer in zip(identity.chain, identity.chain[1:], strict=False):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise RequestError(
                f'the chain is not in order: "{title(issuer)}" is not the issuer of "{title(certificate)}", which '
                "stands before it; the key's own certificate comes first, then its issuer, and so on"
            ) from error
    if not alternative_names(identity.certificate):
        raise RequestError("the certificate has no subject alternative names, which browsers go by")
    _check_with_openssl(identity)


def fits(key: Key, certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is for a key."""
    return _spki(key.public_key()) == _spki(certificate.public_key())


def report(identity: Identity) -> CertificateReport:
    """Tell what there is to say of a certificate."""
    own = identity.certificate
    return CertificateReport(
        subject=title(own),
        names=alternative_names(own),
        issuer=own.issuer.rfc4514_string(),
        self_signed=own.issuer == own.subject,
        not_before=own.not_valid_before_utc,
        not_after=own.not_valid_after_utc,
        sha256=fingerprint(own),
        chain=[title(each) for each in identity.chain[1:]],
        pem="".join(each.public_bytes(Encoding.PEM).decode() for each in identity.chain),
    )


def title(certificate: x509.Certificate) -> str:
    """Name whom a certificate is for."""
    return certificate.subject.rfc4514_string()


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """List the host names and addresses that a certificate is for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    names = extension.value.get_values_for_type(x509.DNSName)
    return [*names, *map(str, extension.value.get_values_for_type(x509.IPAddress))]


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, as browsers show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    clock = f"this machine's clock has {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if now > certificate.not_valid_after_utc:
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise RequestError(f'the certificate of "{title(certificate)}" ended on {ended}; {clock}')
    if now < certificate.not_valid_before_utc:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise RequestError(f'the certificate of "{title(certificate)}" begins on {begins}; {clock}')


def _check_with_openssl(identity: Identity) -> None:
    """Load it as the server does: OpenSSL refuses keys that are too short, for example."""
    with tempfile.NamedTemporaryFile(prefix="kvmd-") as file:  # 0600, see mkstemp(3)
        file.write(identity.pem())
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name)
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise RequestError(f"TLS cannot use it: {reason}") from error


def _why_unfit(identity: Identity) -> str:
    if any(fits(identity.key, each) for each in identity.chain[1:]):
        return "the chain is not in order: the key's own certificate has to come first"
    return f'the key is not that of the certificate of "{title(identity.certificate)}"'


def _key_at(pem: bytes) -> int:
    """Return where the private key begins; EC keys of old have their parameters before it."""
    return pem.rindex(b"-----BEGIN ", 0, pem.index(_KEY_MARK))


def _spki(public: object) -> bytes:
    data: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return data


def _distinguished_name(names: Sequence[str]) -> x509.Name:
    common = names[0][:64]  # X.520's upper bound, RFC 5280 appendix A.1
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(name) for name in names])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage() -> x509.KeyUsage:
    """Allow signatures alone, which is what ECDSA does in TLS (RFC 8446 section 4.4.2.2)."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
