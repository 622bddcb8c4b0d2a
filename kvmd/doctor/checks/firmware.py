"""The firmware's settings of a Raspberry Pi: overlays that config.txt names, for this model and in force or not.

Documented in Raspberry Pi's "config.txt", section "Conditional filters", and in the overlays' README.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.contract.roles import CAPTURE, HID
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine

NO_DWC2 = Kind(
    "no-dwc2",
    Severity.WARNING,
    "{file} does not make this Raspberry Pi's USB port a device port",
    "the target sees no keyboard and no mouse on it",
    "below [all] in {file}: dtoverlay=dwc2,dr_mode=peripheral, then: sudo reboot",
)
OTG_MODE = Kind(
    "otg-mode",
    Severity.WARNING,
    "{file} has otg_mode=1 for this model",
    "the port goes to the host controller, which can only be a host; the target sees no keyboard",
    "take otg_mode=1 out of {file}, then: sudo reboot",
)
HOST_MODE = Kind(
    "host-mode",
    Severity.WARNING,
    "{file} has dtoverlay=dwc2 with dr_mode=host for this model",
    "the port is a host's, and the target sees no keyboard",
    "in {file}, dr_mode=peripheral in place of dr_mode=host, then: sudo reboot",
)
NO_BRIDGE = Kind(
    "no-bridge",
    Severity.WARNING,
    "{file} does not name the HDMI-to-CSI bridge",
    "the kernel does not look for it, and there is no picture",
    "below [all] in {file}: dtoverlay=tc358743 (with ,4lane=1 on four lanes), then: sudo reboot",
)
OVERLAY_WAITS = Kind(
    "overlay-waits",
    Severity.WARNING,
    "{file} names the overlay {overlay}, and the device is not there",
    "it comes with the next boot; if it does not, the overlay's file is missing, or the port or bridge is",
    "sudo reboot; then look at: sudo vclog --msg, and the bridge's flat cable",
)

BRIDGE = "toshiba,tc358743"
"""What the device tree calls it."""
FILES = ("boot/firmware/config.txt", "boot/config.txt")

FAMILIES = {
    "pi0": ("Zero",),
    "pi02": ("Zero 2",),
    "pi3": ("Pi 3", "Compute Module 3"),
    "pi4": ("Pi 4", "Pi 400", "Compute Module 4"),
    "pi400": ("Pi 400",),
    "cm4": ("Compute Module 4",),
    "pi5": ("Pi 5", "Pi 500", "Compute Module 5"),
    "cm5": ("Compute Module 5",),
}
"""The filters of models, and what /proc/device-tree/model has of each; other filters are taken as of another board."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at what a Raspberry Pi's roles need."""
    if "Raspberry Pi" not in case.machine.model:
        return
    file = next((name for name in FILES if case.machine.path(name).exists()), None)
    if file is None:
        yield Unseen("the firmware's config.txt", "it is in neither /boot/firmware nor /boot: mount the boot partition")
        return
    lines = in_force(case.machine.text(file), case.machine.model)
    yield from _controller(case, f"/{file}", lines)
    yield from _bridge(case, f"/{file}", lines)


def in_force(text: str, model: str) -> list[str]:
    """Return the lines of a config.txt that are for a model, without blanks and comments."""
    lines, is_for_us = [], True
    for raw in text.splitlines():
        line = raw.partition("#")[0].replace(" ", "").strip()
        if line.startswith("["):
            is_for_us = _is_for(line.strip("[]").lower(), model)
        elif line and is_for_us:
            lines.append(line)
    return lines


def _is_for(name: str, model: str) -> bool:
    return name == "all" or any(family in model for family in FAMILIES.get(name, ()))


def _controller(case: Case, file: str, lines: list[str]) -> Iterator[Finding]:
    """Look at the USB port, where the gadget is wanted, or nothing else fills the role."""
    if _has_controller(case.machine) or not (case.wants(HID.name, "usb_gadget") or case.lacks(HID.name)):
        return
    overlay = next((line for line in reversed(lines) if line.startswith("dtoverlay=dwc2")), None)
    if "otg_mode=1" in lines:
        yield OTG_MODE.found(file=file)
    elif overlay is None:
        yield NO_DWC2.found(file=file)
    elif "dr_mode=host" in overlay:
        yield HOST_MODE.found(file=file)
    else:
        yield OVERLAY_WAITS.found(file=file, overlay="dwc2")


def _bridge(case: Case, file: str, lines: list[str]) -> Iterator[Finding]:
    """Look at the bridge: it is there where the device tree has one, and the kernel a node for its pictures."""
    overlay = next((line for line in lines if line.startswith("dtoverlay=tc358743")), None)
    if not case.lacks(CAPTURE.name) or not (overlay or case.wants(CAPTURE.name, "csi_bridge")):
        return
    if overlay:
        yield OVERLAY_WAITS.found(file=file, overlay="tc358743")
    elif BRIDGE not in case.chips:
        yield NO_BRIDGE.found(file=file)


def _has_controller(machine: Machine) -> bool:
    return bool(machine.names("sys/class/udc/*"))
