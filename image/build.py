"""Build an image with kvmd: ``python build.py BOARD DEB IMAGE [--read-only]``; docs/image.md.

mmdebstrap makes the root, fakeroot and mke2fs a file system of it, sfdisk and mtools the rest of the disk. What is
kvmd's own in it are the files in files/, uefi/ and rpi/, at the places that they have there.
"""

import argparse
import io
import secrets
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SUITE = "trixie"
MB = 1 << 20
BOOT_AT, BOOT, ROOT, DATA = 1, 512, 2560, 256
"""In MB: where the boot partition begins, and the size of each; the last grows at the first boot."""
PACKAGES = (
    # a system that boots, and is reached
    *("init", "udev", "dbus", "kmod", "initramfs-tools", "zstd", "e2fsprogs", "fdisk"),
    *("systemd-resolved", "systemd-timesyncd", "libnss-myhostname", "avahi-daemon", "openssh-server"),
    # whoever looks after it
    *("sudo", "less", "nano", "iproute2", "iputils-ping", "ca-certificates", "libpam-runtime"),
)
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
RASPBERRY_PI = """\
Types: deb
URIs: http://archive.raspberrypi.com/debian/
Suites: {suite}
Components: main
Signed-By: {keyring}
"""
MASTER_BOOT_RECORD = Path("/usr/lib/syslinux/mbr/mbr.bin")
KEYRING = Path("/usr/share/keyrings/raspberrypi-archive-keyring.pgp")
SET_UP = """\
chroot "$1" dpkg --install /kvmd.deb
rm "$1/kvmd.deb"
chroot "$1" useradd --create-home --shell /bin/bash --groups sudo admin
chroot "$1" pam-auth-update --package
chroot "$1" systemctl enable kvmd-first-boot systemd-networkd
chroot "$1" systemctl add-wants multi-user.target kvmd
rm -f "$1"/etc/ssh/ssh_host_*
"""
"""An image is for nothing else, so kvmd runs with nothing plugged in, too."""
UNPACK = """\
mkdir root data
tar --extract --file=root.tar --directory=root --exclude='./dev/*'
mv root/boot/firmware boot
mkdir root/boot/firmware
"""
KEEP_DATA = """\
mv root/etc/kvmd data/etc
mv root/var/lib/kvmd data/var
mkdir root/etc/kvmd root/var/lib/kvmd root/data
"""


@dataclass(frozen=True)
class Board:
    """A kind of machine.

    :param packages: its kernel, and what else it boots with
    :param folder: its files, beside those of all
    :param console: the kernel's arguments for its consoles
    :param loader: systemd-boot's file, and the name that UEFI looks for; none: it does not boot by UEFI
    :param partition_type: that of the boot partition, as its firmware wants it
    """

    architecture: str
    packages: tuple[str, ...]
    folder: str
    console: str = ""
    loader: tuple[str, str] | None = None
    partition_type: str = "ef"


BOARDS = {
    "pc": Board(
        "amd64",
        ("linux-image-amd64", "firmware-realtek", "systemd-boot-efi"),
        "uefi",
        "console=tty0 console=ttyS0,115200",
        ("systemd-bootx64.efi", "BOOTX64.EFI"),
    ),
    "arm64": Board(
        "arm64",
        ("linux-image-arm64", "firmware-realtek", "systemd-boot-efi"),
        "uefi",
        loader=("systemd-bootaa64.efi", "BOOTAA64.EFI"),
    ),
    "rpi": Board(
        "arm64",
        ("linux-image-rpi-v8", "linux-image-rpi-2712", "raspi-firmware", "raspberrypi-archive-keyring"),
        "rpi",
        "console=serial0,115200 console=tty1",
        partition_type="c",
    ),
}


def main(board: Board, deb: Path, image: Path, is_read_only: bool) -> None:
    """Build it, and say where it is."""
    if board.folder == "rpi" and not KEYRING.exists():
        sys.exit(f"{KEYRING} is missing: install the package raspberrypi-archive-keyring of Raspberry Pi OS")
    disk = secrets.token_hex(4)
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=image.parent) as folder:
        work = Path(folder)
        with tarfile.open(work / "files.tar", "w") as tar:
            for path, mode, content in files(board, disk, is_read_only):
                member = tarfile.TarInfo(path)
                member.mode, member.size = mode, len(content)
                tar.addfile(member, io.BytesIO(content))
        run(work, *mmdebstrap(board, deb))
        make_disk(board, work, disk, is_read_only)
        (work / "disk").rename(image)
    print(image)


def files(board: Board, disk: str, is_read_only: bool) -> Iterator[tuple[str, int, bytes]]:
    """Give what kvmd's image has of its own: paths, modes and contents."""
    for folder in ("files", board.folder):
        for path in sorted((HERE / folder).rglob("*")):
            if path.is_file():
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                yield str(path.relative_to(HERE / folder)), mode, path.read_bytes()
    made = {
        "etc/kvmd-image/first-boot": "",
        "etc/fstab": fstab(disk, is_read_only),
        **loading(board, disk, is_read_only),
    }
    for name, text in made.items():
        yield name, 0o644, text.encode()


def fstab(disk: str, is_read_only: bool) -> str:
    """Return what is mounted where; without its data the machine still comes up, and can be mended."""
    lines = [
        f"PARTUUID={disk}-02 / ext4 noatime 0 1",
        f"PARTUUID={disk}-01 /boot/firmware vfat umask=0022,nofail{',ro' if is_read_only else ''} 0 0",
    ]
    if is_read_only:
        lines += [
            f"PARTUUID={disk}-03 /data ext4 noatime,nofail 0 2",
            "/data/etc /etc/kvmd none bind,nofail 0 0",
            "/data/var /var/lib/kvmd none bind,nofail 0 0",
        ]
    return "".join(f"{line}\n" for line in lines)


def loading(board: Board, disk: str, is_read_only: bool) -> dict[str, str]:
    """Return the files that the boot loaders read."""
    words = [f"root=PARTUUID={disk}-02", "ro", "rootwait", board.console, "loglevel=4"]
    command_line = " ".join(word for word in [*words, "kvmd.read_only" if is_read_only else ""] if word)
    if board.loader is None:
        return {"boot/firmware/cmdline.txt": f"{command_line}\n"}
    entry = f"title kvmd\nlinux /vmlinuz\ninitrd /initrd.img\noptions {command_line}\n"
    texts = {"loader/loader.conf": "timeout 0\n", "loader/entries/kvmd.conf": entry}
    if board.architecture == "amd64":
        texts["syslinux.cfg"] = f"DEFAULT kvmd\nLABEL kvmd\nLINUX /vmlinuz\nINITRD /initrd.img\nAPPEND {command_line}\n"
    return {f"boot/firmware/{name}": text for name, text in texts.items()}


def mmdebstrap(board: Board, deb: Path) -> list[str]:
    """Return the command that makes root.tar from files.tar and the package."""
    asked = ["dpkg-deb", "--field", str(deb), "Depends"]
    depends = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout
    packages = [*PACKAGES, *board.packages, *dict.fromkeys(each.split()[0] for each in depends.split(","))]
    command = ["mmdebstrap", "--variant=minbase", f"--architectures={board.architecture}"]
    command += ["--components=main,non-free-firmware", "--aptopt=APT::Install-Recommends false"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    command += [f"--include={','.join(packages)}", "--essential-hook=tar-in files.tar /"]
    if board.folder == "rpi":
        source = shlex.quote(RASPBERRY_PI.format(suite=SUITE, keyring=KEYRING))
        command += [f'--setup-hook=printf %s {source} > "$1/etc/apt/sources.list.d/raspi.sources"']
    command += [f"--customize-hook=upload {shlex.quote(str(deb.resolve()))} /kvmd.deb"]
    command += [f"--customize-hook=set -e; {SET_UP}", SUITE, "root.tar"]
    return command


def make_disk(board: Board, work: Path, disk: str, is_read_only: bool) -> None:
    """Make the file disk of root.tar."""
    with (work / "disk").open("wb") as file:
        file.truncate((BOOT_AT + BOOT + ROOT + (DATA if is_read_only else 0)) * MB)
    run(work, "sfdisk", "--quiet", "disk", given=partition_table(board, disk, is_read_only))
    run(work, "fakeroot", "sh", "-ec", file_systems(is_read_only))
    boot_partition(board, work)


def partition_table(board: Board, disk: str, is_read_only: bool) -> str:
    """Return what sfdisk reads: a DOS table, which every board's firmware can read, and any tool can grow."""
    lines = [f"start={BOOT_AT}MiB, size={BOOT}MiB, type={board.partition_type}, bootable", f"size={ROOT}MiB, type=83"]
    if is_read_only:
        lines.append(f"size={DATA}MiB, type=83")
    return "\n".join(["label: dos", f"label-id: 0x{disk}", *lines, ""])


def file_systems(is_read_only: bool) -> str:
    """Return the shell script that fills the disk with root.tar, but for the boot partition, which it unpacks."""
    root = ext4("kvmd-root", "root", BOOT_AT + BOOT, ROOT)
    if not is_read_only:
        return f"{UNPACK}{root}"
    return f"{UNPACK}{KEEP_DATA}{root}{ext4('kvmd-data', 'data', BOOT_AT + BOOT + ROOT, DATA)}"


def ext4(label: str, folder: str, begin: int, size: int) -> str:
    """Return the command that makes a file system of a folder; places in MB."""
    return f"mke2fs -q -t ext4 -b 4096 -L {label} -d {folder} -E offset={begin * MB} disk {size}M\n"


def boot_partition(board: Board, work: Path) -> None:
    """Make the boot partition of boot/, with the loaders for UEFI and for a PC's BIOS."""
    if board.loader:
        source, name = board.loader
        efi = work / "boot/EFI/BOOT"
        efi.mkdir(parents=True)
        shutil.copy(work / "root/usr/lib/systemd/boot/efi" / source, efi / name)
    run(work, "mkfs.vfat", "-F", "32", "-n", "KVMD-BOOT", f"--offset={BOOT_AT * MB // 512}", "disk", str(BOOT << 10))
    inside = sorted(path.relative_to(work) for path in (work / "boot").iterdir())
    run(work, "mcopy", "-s", "-i", f"disk@@{BOOT_AT}M", *inside, "::")
    if board.architecture == "amd64":
        run(work, "syslinux", "--install", f"--offset={BOOT_AT * MB}", "disk")
        with (work / "disk").open("r+b") as disk:
            disk.write(MASTER_BOOT_RECORD.read_bytes())


def run(work: Path, *command: str | Path, given: str | None = None) -> None:
    """Run a command in a folder; it has to end well."""
    subprocess.run(command, check=True, cwd=work, input=given, text=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build an image with kvmd; docs/image.md.")
    parser.add_argument("board", choices=BOARDS)
    parser.add_argument("deb", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--read-only", action="store_true", help="the root is only read")
    given = parser.parse_args()
    main(BOARDS[given.board], given.deb, given.image, given.read_only)
