"""Bare Debian systems as tar files: made once with mmdebstrap, then kept in the user's cache.

With them are the packages that a test installs and upgrades to, so that it needs no network.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.locking import Say, locked

OLD, NEW = "bookworm", "trixie"
BARE = ("init", "udev", "make")
"""What is there before: a system that boots, and what `make install` begins with."""
APT = "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --quiet --quiet --yes -o APT::Get::List-Cleanup=false"
SUCCESSORS = (
    "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache madison"
    ' $(cd "$1"/var/cache/apt/archives && ls *.deb | cut -d_ -f1) | cut -d"|" -f1 | sort -u'
)
"""The names of the archives that are there, as far as the new release has them."""
SOURCES = '"$1"/etc/apt/sources.list'


def cache() -> Path:
    """The folder in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvmd-hal" / "debian"


def cached(suite: str, wanted: list[str], say: Say) -> Path:
    """The tar file of a bare system, made now if the cache has none.

    :param wanted: the Debian packages that can be installed into it without a network
    :param say: told about the progress
    """
    words = [suite, *_command(suite, wanted, Path("FILE"))]
    tar = cache() / f"{suite}-{hashlib.sha256(shlex.join(words).encode()).hexdigest()[:16]}.tar"
    with locked(cache() / "lock", say, "another run that builds the chroots"):
        if not tar.exists():
            _build(suite, wanted, tar, say)
    return tar


def _build(suite: str, wanted: list[str], tar: Path, say: Say) -> None:
    say(f"building a bare Debian {suite} in {tar.parent}: this takes a minute, once")
    for other in tar.parent.glob(f"{suite}-*"):
        other.unlink()
    work = Path(tempfile.mkdtemp(prefix="building-", dir=tar.parent))
    try:
        subprocess.run(_command(suite, wanted, work / "out.tar"), check=True, stdin=subprocess.DEVNULL)
        (work / "out.tar").rename(tar)
    finally:
        shutil.rmtree(work)


def _command(suite: str, wanted: list[str], tar: Path) -> list[str]:
    hooks = [f'rm -f "$1"/var/cache/apt/archives/*.deb && {APT} --download-only install {shlex.join(wanted)}']
    if suite == OLD:
        hooks += [
            f"cp {SOURCES} {SOURCES}.{OLD} && sed -i s/{OLD}/{NEW}/ {SOURCES}",
            f"{APT} update && {APT} --download-only install $({SUCCESSORS})",
            f"{APT} --download-only full-upgrade",
            f"{APT} --download-only install {shlex.join(wanted)}",
            f"mv {SOURCES} {SOURCES}.{NEW} && mv {SOURCES}.{OLD} {SOURCES}",
        ]
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--aptopt=APT::Install-Recommends false",
        "--dpkgopt=force-unsafe-io",
        f"--include={','.join(BARE)}",
        "--skip=cleanup/apt",
        *(f"--customize-hook={hook}" for hook in hooks),
        suite,
        str(tar),
    ]
