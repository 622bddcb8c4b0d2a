"""The certificate that browsers are shown."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint

from kvmd.contract.endpoint import Done, endpoint
from kvmd.contract.reports import CertificateReport
from kvmd.kvm import Kvm


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoint."""
    blueprint = Blueprint("certificate", __name__)
    web = kvm.settings.web

    @blueprint.get("/api/certificate")
    @endpoint()
    def show() -> Done[CertificateReport | None]:
        """Show the certificate for HTTPS; null where nothing is served with TLS."""
        if not web.tls_listen and not web.video_tls_listen:
            return Done("nothing is served with TLS: web.tls_listen is empty", None)
        from kvmd.access import certificate, pki  # noqa: PLC0415  # cryptography is slow to import, and large

        _, identity = certificate.in_force(Path(kvm.settings.auth.file).parent, web.own_certificate)
        return Done("certificate success", pki.report(identity))

    return blueprint
