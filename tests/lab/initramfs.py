"""A tiny initramfs: busybox, an init script, and the few modules that stand between the kernel and its disk.

The archive is uncompressed and so are the modules: emulated xz costs more than QEMU's copying.
"""

import lzma
import stat
from pathlib import Path

# 9p and virtio_console are not needed to find the disk, but would otherwise be unpacked by the guest
MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "overlay", "9p", "9pnet_virtio", "virtio_console")
DIRECTORIES = ("bin", "proc", "dev", "disk", "over", "root", "modules")


def build(busybox: Path, init: Path, modules: Path) -> bytes:
    """The initramfs as a cpio archive.

    :param busybox: a statically linked busybox
    :param init: the script that becomes /init
    :param modules: /lib/modules/VERSION of the kernel that will be booted
    """
    order = load_order(modules)
    archive = bytearray()
    for name in DIRECTORIES:
        archive += _entry(name, stat.S_IFDIR | 0o755, b"")
    archive += _entry("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    archive += _entry("init", stat.S_IFREG | 0o755, init.read_bytes())
    for path in order:
        archive += _entry(f"modules/{_stem(path)}.ko", stat.S_IFREG | 0o644, _unpacked(modules / path))
    names = "".join(f"{_stem(path)}.ko\n" for path in order)
    archive += _entry("modules/order", stat.S_IFREG | 0o644, names.encode())
    return bytes(archive + _entry("TRAILER!!!", 0, b""))


def load_order(modules: Path) -> list[str]:
    """The paths of MODULES and of all they need, each after what it needs; built-in ones are left out."""
    needs: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        paths[_stem(path)] = path
    order: list[str] = []
    for path in (paths[name] for name in MODULES if name in paths):
        # modules.dep names the deepest need last
        order += [each for each in [*reversed(needs[path]), path] if each not in order]
    return order


def _stem(path: str) -> str:
    return Path(path).name.partition(".")[0]


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def _entry(name: str, mode: int, content: bytes) -> bytes:
    """One file in the "newc" format, see cpio(5)."""
    raw = name.encode() + b"\0"
    #        inode, mode, uid, gid, links, mtime, size, device (4 numbers), length of the name, checksum
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return _padded(head) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
