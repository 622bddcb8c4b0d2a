"""The certificate for HTTPS: readable, long enough, for this machine's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from kvmd.access import certificate, pki
from kvmd.access.certificate import RENEWAL
from kvmd.contract.addresses import parse_name
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.errors import ConfigError

UNUSABLE = Kind(
    "certificate-unusable",
    Severity.FAULT,
    "the certificate cannot be used: {problem}",
    "HTTPS has another certificate in its place, or none",
    "sudo kvmd certificate install CERT KEY, or: sudo kvmd certificate new --discard",
)
OVER = Kind(
    "certificate-over",
    Severity.FAULT,
    "the certificate {path} is not valid today: from {begin:%Y-%m-%d} to {end:%Y-%m-%d}",
    "browsers and programs refuse to connect, or ask",
    "set the clock, if it is wrong; else: sudo kvmd certificate install CERT KEY, or sudo kvmd certificate new",
)
ENDS = Kind(
    "certificate-ends",
    Severity.WARNING,
    "the certificate {path} ends on {end:%Y-%m-%d}",
    "after that, browsers and programs refuse to connect",
    "sudo kvmd certificate install CERT KEY, with its successor",
)
OTHER_NAMES = Kind(
    "certificate-names",
    Severity.WARNING,
    "the certificate is for {names}, and not for {missing}",
    "a browser that opens this machine under a name that is not in the certificate says that it is unsafe",
    "{command}",
)

OWN = "sudo kvmd certificate new"
FOREIGN = "open the page under the certificate's name; or, where that is this machine's, set it in web.names"


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at the one that is in force, where anything is served with TLS."""
    web = case.settings.web
    if not web.tls_listen and not web.video_tls_listen:
        return
    folder = Path(case.settings.auth.file).parent
    if web.own_certificate is None and not _any(folder):
        return  # the first start makes it
    try:
        path, identity = certificate.in_force(folder, web.own_certificate)
    except ConfigError as error:
        if isinstance(error.__cause__, PermissionError):
            yield Unseen("the certificate", "its file is for the daemon alone; use sudo")
        else:
            yield UNUSABLE.found(problem=error)
        return
    facts = pki.report(identity)
    is_own = path == folder / certificate.SELF_SIGNED
    now = datetime.now(UTC)
    if not facts.not_before <= now <= facts.not_after:
        yield OVER.found(path=path, begin=facts.not_before, end=facts.not_after)
    elif not is_own and now > facts.not_after - RENEWAL:
        yield ENDS.found(path=path, end=facts.not_after)
    yield from _names(facts.names, [*map(_host, web.names), *certificate.machine_names()], is_own=is_own)


def _any(folder: Path) -> bool:
    """Tell whether there is a certificate in the folder, or it may not be looked into."""
    try:
        return any((folder / name).exists() for name in (certificate.INSTALLED, certificate.SELF_SIGNED))
    except OSError:
        return True


def _names(names: list[str], ours: list[str], *, is_own: bool) -> Iterator[Finding]:
    """Compare: our own has to have every name, one of an authority any; that may be for a name that others give us."""
    missing = [name for name in ours if name not in names]
    if is_own and missing:
        yield OTHER_NAMES.found(names=", ".join(names), missing=", ".join(missing), command=OWN)
    elif not is_own and not _share(names, ours):
        yield OTHER_NAMES.found(names=", ".join(names), missing="any name of this machine", command=FOREIGN)


def _share(names: Iterable[str], ours: Iterable[str]) -> bool:
    """Tell whether one name is this machine's; the network may add a domain to it that it does not know of itself."""
    first = {name.partition(".")[0] for name in ours if name != "localhost"}
    return any(name in ours or name.startswith("*.") or name.partition(".")[0] in first for name in names)


def _host(name: str) -> str:
    return parse_name(name).host
