"""OpenSSL's command line, which reads what kvmd makes and makes what others would."""

import re
import subprocess
from pathlib import Path

DAY = 86400


def openssl(*args: object, given: str | None = None) -> str:
    """Run it and return what it prints; a failure is an error with its words."""
    ran = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, input=given, check=False)
    if ran.returncode:
        raise RuntimeError(f"openssl {' '.join(map(str, args))}: {ran.stdout}{ran.stderr}")
    return ran.stdout


def verify(path: Path, host: str, at: float) -> str:
    """Verify a certificate that is its own authority, strictly, for a host name or address at a time."""
    kind = "-verify_ip" if re.fullmatch(r"[\d.]+|.*:.*", host) else "-verify_hostname"
    times = ["-attime", int(at)]
    return openssl("verify", "-x509_strict", "-purpose", "sslserver", *times, kind, host, "-CAfile", path, path)


def fingerprint(path: Path) -> str:
    return openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").strip().partition("=")[2]


def public_key(path: Path) -> str:
    return openssl("pkey", "-in", path, "-pubout")


class Authority:
    """An authority as companies have one: a root, an intermediate that it issued, and what that issues."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = self._certificate("root", None, "basicConstraints=critical,CA:TRUE")
        self.intermediate = self._certificate("intermediate", "root", "basicConstraints=critical,CA:TRUE")

    def key(self, name: str, *options: str) -> Path:
        """Make a key; by default of ECDSA P-256."""
        path = self.folder / f"{name}.key"
        openssl("genpkey", *(options or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")), "-out", path)
        return path

    def issue(self, name: str, request: Path | None = None, extension: str = "DNS:kvm.example", days: int = 90) -> Path:
        """Issue a certificate for a request, or for a key of its own; a negative number of days is over."""
        return self._certificate(name, "intermediate", f"subjectAltName={extension}", request, days)

    def chain(self, *parts: Path) -> Path:
        """Put files into one."""
        path = self.folder / "chain.pem"
        path.write_text("".join(part.read_text() for part in parts))
        return path

    def _certificate(
        self, name: str, issuer: str | None, extension: str, request: Path | None = None, days: int = 90
    ) -> Path:
        if request is None:
            request = self.folder / f"{name}.csr"
            key = self.folder / f"{name}.key"
            openssl(
                "req", "-new", "-key", key if key.exists() else self.key(name), "-subj", f"/CN={name}", "-out", request
            )
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"{extension}\n" if extension else "")
        path = self.folder / f"{name}.crt"
        signer = ["-signkey", self.folder / f"{name}.key"]
        if issuer:
            signer = ["-CA", self.folder / f"{issuer}.crt", "-CAkey", self.folder / f"{issuer}.key", "-CAcreateserial"]
        openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", extensions, "-out", path)
        return path
