"""The guest's disk, kernel and initramfs: built once with mmdebstrap, then kept in the user's cache."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import initramfs
from .errors import LabError
from .locking import Say, locked

SUITE = "trixie"
# libcamera's bindings are in the backports; what trixie itself has stalls while it records
ADD_BACKPORTS = (
    f'sed \'s/ {SUITE} / {SUITE}-backports /\' "$1"/etc/apt/sources.list > "$1"/etc/apt/sources.list.d/backports.list'
)
PYTHON = "3.13"
# what pip installs into the guest, see tools/lock
LOCKS = ("guest.txt", "picamera2.txt")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
PACKAGES = (
    "linux-image-amd64",
    "busybox-static",
    "kmod",
    "libcamera0.7",
    "libx11-data",
    "libxkbcommon0",
    "make",
    "python3",
    "python3-evdev",
    "python3-libcamera/trixie-backports",
    "python3-pip",
    "python3-prctl",
    "python3-venv",
    "systemd",
    "systemd-sysv",
    "udev",
    "ustreamer",
    "v4l-utils",
    "xkb-data",
)
# for gpio-sim alone; rootfs/gpio-sim.sh takes them away again
BUILDING = ("linux-headers-amd64", "linux-source")
# the guest boots with its own initramfs, nobody reads manuals in it, and nothing draws with the 200 MB of Mesa
EXCLUDED = (
    "/etc/kernel/postinst.d/initramfs-tools",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libgallium*",
    "/usr/lib/*/libz3*",
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
)

HERE = Path(__file__).parent
ROOTFS = HERE / "rootfs"


@dataclass(frozen=True)
class Image:
    """What QEMU boots."""

    disk: Path
    kernel: Path
    initrd: Path


def cached(checkout: Path, say: Say) -> Image:
    """The image that fits this checkout, built now if the cache has none.

    :param checkout: the root of the checkout, for the locks of its dependencies
    :param say: told about the progress, line by line
    """
    locks = [checkout / "locks" / name for name in LOCKS]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvmd-hal" / "lab"
    folder = cache / _key(locks)
    with locked(cache / "lock", say, "another run that builds the image"):
        if not folder.exists():
            _build(folder, locks, say)
            _remove_others(folder)
    return Image(folder / "root.ext2", folder / "vmlinuz", folder / "initrd")


def _key(locks: list[Path]) -> str:
    """A hash of all that decides what is in the image."""
    digest = hashlib.sha256()
    files = sorted(path for path in ROOTFS.rglob("*") if path.is_file() and path.suffix != ".pyc")
    for path in [*locks, HERE / "image.py", HERE / "initramfs.py", *files]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _remove_others(folder: Path) -> None:
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)


def _build(folder: Path, locks: list[Path], say: Say) -> None:
    say(f"building the image of Debian {SUITE} in {folder.parent}: this takes a few minutes, once")
    work = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        wheels = work / "wheels"
        out = work / "out"
        done = work / "done"
        for each in (wheels, out, done):
            each.mkdir()
        _download_wheels(wheels, locks, say)
        _run(_mmdebstrap(wheels, out, done / "root.ext2"), say)
        _take_kernel(out, done)
        done.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"built {folder.name}: {(folder / 'root.ext2').stat().st_size >> 20} MB")


def _download_wheels(wheels: Path, locks: list[Path], say: Say) -> None:
    """pip's "download" for the guest's Python, so that the build in the root needs no network."""
    platforms = [f"--platform={each}" for each in PLATFORMS]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation=cp", f"--python-version={PYTHON}", *platforms, f"--dest={wheels}"]
    for lock in locks:
        shutil.copy(lock, wheels)
        _run([*command, "--no-deps", "--require-hashes", f"--requirement={lock}"], say)


def _mmdebstrap(wheels: Path, out: Path, disk: Path) -> list[str]:
    """The command that makes the disk.

    Files go in and out through mmdebstrap's own hooks, which work for root and for ordinary users alike.
    """

    def hook(*words: str | Path) -> str:
        return "--customize-hook=" + shlex.join(str(word) for word in words)

    return [
        "mmdebstrap",
        "--variant=minbase",
        "--aptopt=APT::Install-Recommends false",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        f"--include={','.join(PACKAGES + BUILDING)}",
        f"--setup-hook={ADD_BACKPORTS}",
        hook("upload", ROOTFS / "gpio-sim.sh", "/opt/gpio-sim.sh"),
        '--customize-hook=chroot "$1" sh /opt/gpio-sim.sh',
        hook("copy-in", wheels, "/opt"),
        hook("upload", ROOTFS / "kvmd-lab.service", "/etc/systemd/system/kvmd-lab.service"),
        hook("upload", ROOTFS / "setup.sh", "/opt/setup.sh"),
        hook("upload", ROOTFS / "60-kvmd-lab.rules", "/etc/udev/rules.d/60-kvmd-lab.rules"),
        hook("copy-in", ROOTFS / "stubs", "/opt"),
        '--customize-hook=mkdir -p "$1/usr/share/libcamera/pipeline/virtual"',
        hook("upload", ROOTFS / "virtual.yaml", "/usr/share/libcamera/pipeline/virtual/virtual.yaml"),
        '--customize-hook=chroot "$1" sh /opt/setup.sh /opt/wheels',
        hook("copy-out", "/usr/lib/modules", "/usr/bin/busybox", "/boot", out),
        SUITE,
        str(disk),
    ]


def _take_kernel(out: Path, done: Path) -> None:
    """Put the kernel and an initramfs for it beside the disk."""
    [modules] = (out / "modules").iterdir()
    [kernel] = (out / "boot").glob("vmlinuz-*")
    kernel.rename(done / "vmlinuz")
    (done / "initrd").write_bytes(initramfs.build(out / "busybox", ROOTFS / "init", modules))


def _run(command: list[str], say: Say) -> None:
    """Run a command and pass on each line that it prints.

    :raise LabError: it failed; with its last lines
    """
    lines: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            say(lines[-1])
    if process.returncode:
        tail = "\n".join(lines[-20:])
        raise LabError(f"{command[0]} failed with code {process.returncode}:\n{tail}")
