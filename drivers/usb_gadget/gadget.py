"""The gadget in configfs: made, adopted, found and taken down.

Documented in the kernel's Documentation/usb/gadget_configfs.rst, Documentation/usb/gadget_hid.rst and
Documentation/ABI/testing/configfs-usb-gadget-hid. Making and taking down needs root, finding does not.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from kvmd import DriverError

from .descriptors import BCD_DEVICE, FUNCTIONS, Function

logger = logging.getLogger(__name__)

ENGLISH = "strings/0x409"
CONFIGURATION = "configs/c.1"


class Paths(msgspec.Struct, frozen=True):
    """Where the kernel shows gadgets, controllers, character devices and nodes."""

    configfs: Path = Path("/sys/kernel/config")
    udc: Path = Path("/sys/class/udc")
    char: Path = Path("/sys/dev/char")
    dev: Path = Path("/dev")

    def gadget(self, name: str) -> Path:
        """Return the folder of a gadget."""
        return self.configfs / "usb_gadget" / name


SYSTEM = Paths()


class Identity(msgspec.Struct, frozen=True):
    """What the host sees: USB ids, version (binary-coded decimal), and strings."""

    vendor: int = 0x1D6B
    product: int = 0x0104
    version: int = BCD_DEVICE
    manufacturer: str = "kvmd-hal"
    product_name: str = "Keyboard and mouse"
    serial: str = "0"


class Plan(msgspec.Struct, frozen=True):
    """A gadget as it is to be.

    :param name: its folder's name in configfs
    :param wakeup_on_write: whether a report wakes a sleeping host, where the kernel can
    """

    name: str = "kvmd"
    identity: Identity = Identity()
    functions: Sequence[Function] = FUNCTIONS
    wakeup_on_write: bool = False


class Found(msgspec.Struct, frozen=True):
    """A gadget as it is.

    :param udc: the controller it is bound to; None if it is bound to none that is there
    :param state: the controller's state in the kernel's words
    :param nodes: the node in /dev of each function that has one, by the function's name
    """

    name: str
    udc: str | None
    state: str | None
    nodes: Mapping[str, str]


def controllers(paths: Paths = SYSTEM) -> list[str]:
    """List the USB device controllers by name."""
    return sorted(path.name for path in paths.udc.glob("*"))


def holder(udc: str, paths: Paths = SYSTEM) -> str | None:
    """Name the gadget that a controller carries; None if it is free."""
    for folder in sorted(paths.gadget("").glob("*")):
        if _bound(folder) == udc:
            return folder.name
    # Gadgets that are one module (g_ether …) are not in configfs; configfs's own driver is named there too.
    driver = _uevent(paths.udc / udc / "uevent").get("USB_UDC_DRIVER")
    return None if driver is None else driver.removeprefix("configfs-gadget.")


def find(name: str, paths: Paths = SYSTEM) -> Found | None:
    """Look for a gadget by its name; None if there is no such gadget."""
    folder = paths.gadget(name)
    if not folder.is_dir():
        return None
    udc = _bound(folder)
    if udc not in controllers(paths):
        return Found(name, None, None, {})
    return Found(name, udc, state(udc, paths), gadget_nodes(name, paths))


def state(udc: str, paths: Paths = SYSTEM) -> str | None:
    """Read a controller's state in the kernel's words; None if it is gone."""
    return _read(paths.udc / udc / "state")


def gadget_nodes(name: str, paths: Paths = SYSTEM) -> dict[str, str]:
    """Find the node of each HID function through its device number: hidg0, hidg1 … are counted over all gadgets."""
    nodes: dict[str, str] = {}
    for function in sorted(paths.gadget(name).glob("functions/hid.*")):
        node = _uevent(paths.char / (_read(function / "dev") or "none") / "uevent").get("DEVNAME")
        if node:
            nodes[function.name.removeprefix("hid.")] = str(paths.dev / node)
    return nodes


def differing(name: str, paths: Paths = SYSTEM) -> list[str]:
    """Name the functions whose report descriptor is not the one that our reports follow."""
    folder = paths.gadget(name) / "functions"
    present = [function for function in FUNCTIONS if (folder / function.folder).is_dir()]
    return [f.name for f in present if _read_bytes(folder / f.folder / "report_desc") != f.report_desc]


def wakes(name: str, paths: Paths = SYSTEM) -> bool:
    """Tell whether a report written for the keyboard wakes a sleeping host."""
    return _read(paths.gadget(name) / "functions" / FUNCTIONS[0].folder / "wakeup_on_write") == "1"


def load_modules(paths: Paths = SYSTEM) -> None:
    """Load what the kernel needs for gadgets and mount configfs, where that has not been done.

    :raises DriverError: the kernel has no gadgets
    """
    if paths.gadget("").is_dir():
        return
    problem = _run("modprobe", "--all", "libcomposite", "usb_f_hid")
    if paths.configfs.is_dir() and not paths.configfs.is_mount():
        problem += _run("mount", "-t", "configfs", "configfs", str(paths.configfs))
    if not paths.gadget("").is_dir():
        raise DriverError(
            f"this kernel makes no USB gadgets, it needs libcomposite and usb_f_hid: {problem or 'they are loaded'}"
        )


def up(plan: Plan, udc: str | None = None, paths: Paths = SYSTEM) -> list[Function]:
    """Make the gadget and bind it to a controller; what is there already and fits is left alone.

    :param udc: the controller's name; None: the one that the gadget has, or else the first free one
    :return: the functions that there was no room for
    :raises DriverError: there is no such controller, or another gadget holds it, or the kernel refuses
    """
    udc = _choose(plan.name, udc, paths)
    if adoptable(plan, udc, paths):
        logger.info("the gadget %s is on %s already", plan.name, udc)
        return []
    for count in range(len(plan.functions), 0, -1):
        try:
            _rebuild(msgspec.structs.replace(plan, functions=plan.functions[:count]), udc, paths)
            return list(plan.functions[count:])
        except OSError as error:
            problem = error
            down(plan.name, paths)
            # No endpoint or no minor number was left for a function: with fewer of them it may work.
            if error.errno not in {errno.ENODEV, errno.EBUSY, errno.ENOSPC, errno.EINVAL}:
                break
    raise DriverError(f"the kernel refused the gadget {plan.name} on {udc}: {problem}; see dmesg") from problem


def adoptable(plan: Plan, udc: str, paths: Paths = SYSTEM) -> bool:
    """Tell whether the gadget is there, just as planned and at work on the controller."""
    folder = paths.gadget(plan.name)
    names = {function.folder for function in plan.functions}
    return (
        _bound(folder) == udc
        and {path.name for path in folder.glob("functions/*")} == names
        and {path.name for path in (folder / CONFIGURATION).glob("*") if path.is_symlink()} == names
        and all(_normal(_read_bytes(folder / name)) == _normal(value) for name, value in _attributes(plan, folder))
        and len(gadget_nodes(plan.name, paths)) == len(names)
    )


def down(name: str, paths: Paths = SYSTEM) -> bool:
    """Unbind a gadget and remove it.

    :return: whether there was one
    :raises DriverError: something in it cannot be removed
    """
    folder = paths.gadget(name)
    if not folder.is_dir():
        return False
    try:
        _unbind(folder)
        for link in folder.glob("configs/*/*"):
            if link.is_symlink():
                link.unlink()
        for pattern in ("configs/*/strings/*", "configs/*", "functions/*", "strings/*"):
            for path in folder.glob(pattern):
                path.rmdir()
        folder.rmdir()
    except OSError as error:
        raise DriverError(f"the gadget {name} cannot be removed: {error}") from error
    return True


def _choose(name: str, udc: str | None, paths: Paths) -> str:
    """Pick a controller that is free, or ours."""
    present = controllers(paths)
    if udc is not None and udc not in present:
        there = ", ".join(present) or "none"
        raise DriverError(f"there is no USB device controller {udc}; there are: {there}")
    if not present:
        raise DriverError(
            "there is no USB device controller in /sys/class/udc: is the port set to peripheral mode "
            "(on a Raspberry Pi, dtoverlay=dwc2,dr_mode=peripheral in config.txt)?"
        )
    holders = {each: holder(each, paths) for each in ([udc] if udc else present)}
    usable = [each for each, by in holders.items() if by == name] + [each for each, by in holders.items() if by is None]
    if not usable:
        held = ", ".join(f"{each} is held by the gadget {by}" for each, by in holders.items())
        raise DriverError(f"no free USB device controller: {held}; remove that gadget first")
    return usable[0]


def _rebuild(plan: Plan, udc: str, paths: Paths) -> None:
    """Make the gadget from nothing: links that an earlier binding left would not bind reliably again."""
    down(plan.name, paths)
    folder = paths.gadget(plan.name)
    for path in (folder, folder / ENGLISH, folder / CONFIGURATION, folder / CONFIGURATION / ENGLISH):
        _make(path)
    for function in plan.functions:
        _make(folder / "functions" / function.folder)
    for name, value in _attributes(plan, folder):
        (folder / name).write_bytes(value)
    for function in plan.functions:
        (folder / CONFIGURATION / function.folder).symlink_to(folder / "functions" / function.folder)
    (folder / "UDC").write_text(udc)


def _attributes(plan: Plan, folder: Path) -> Iterator[tuple[str, bytes]]:
    """List the files of a gadget in the order in which to write them, as the kernel shows them."""
    identity = plan.identity
    yield "idVendor", b"0x%04x" % identity.vendor
    yield "idProduct", b"0x%04x" % identity.product
    yield "bcdDevice", b"0x%04x" % identity.version
    yield "bcdUSB", b"0x0200"
    yield f"{ENGLISH}/manufacturer", identity.manufacturer.encode()
    yield f"{ENGLISH}/product", identity.product_name.encode()
    yield f"{ENGLISH}/serialnumber", identity.serial.encode()
    # USB 2.0, table 9-10: bit 7 is reserved and set, bit 5 allows remote wake-up. 100 mA is what any hub grants.
    yield f"{CONFIGURATION}/bmAttributes", b"0xa0"
    yield f"{CONFIGURATION}/MaxPower", b"100"
    yield f"{CONFIGURATION}/{ENGLISH}/configuration", identity.product_name.encode()
    for function in plan.functions:
        yield from _function_attributes(function, plan.wakeup_on_write, folder)


def _function_attributes(function: Function, wakeup_on_write: bool, folder: Path) -> Iterator[tuple[str, bytes]]:
    # Each kernel has its own set of files; those two came late. Without LEDs an OUT endpoint would be wasted.
    optional = {"no_out_endpoint": b"%d" % (not function.leds), "wakeup_on_write": b"%d" % wakeup_on_write}
    base = f"functions/{function.folder}"
    for name, value in optional.items():
        if (folder / base / name).exists():
            yield f"{base}/{name}", value
    yield f"{base}/protocol", b"%d" % function.protocol
    yield f"{base}/subclass", b"%d" % function.subclass
    yield f"{base}/report_length", b"%d" % function.report_length
    yield f"{base}/report_desc", function.report_desc


def _make(path: Path) -> None:
    # The kernel makes functions/, configs/ and strings/ itself, together with the gadget.
    path.mkdir(parents=True, exist_ok=True)


def _unbind(folder: Path) -> None:
    try:
        (folder / "UDC").write_text("\n")
    except OSError as error:
        if error.errno != errno.ENODEV:  # it was not bound, or its controller is gone
            raise


def _bound(folder: Path) -> str | None:
    return _read(folder / "UDC") or None


def _uevent(path: Path) -> dict[str, str]:
    lines = (_read(path) or "").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _normal(value: bytes | None) -> bytes | None:
    return None if value is None else value.removesuffix(b"\n")


def _read(path: Path) -> str | None:
    content = _read_bytes(path)
    return None if content is None else content.decode(errors="replace").strip()


def _read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _run(program: str, *arguments: str) -> str:
    """Run a program of the system; return what it complains about, in one line, empty if nothing."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        return f"the program {program} is not installed"
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  # names of ours
    return " ".join(done.stderr.split()) if done.returncode else ""
