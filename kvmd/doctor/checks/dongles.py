"""USB capture devices that the kernel has no driver for."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

NO_VIDEO = Kind(
    "no-video",
    Severity.FAULT,
    "a USB capture device is plugged in ({device}), and has no node in /dev",
    "the kernel's driver for it (uvcvideo) is not loaded, or failed; there is no picture",
    "sudo modprobe uvcvideo; why it failed: sudo dmesg | tail",
)

VIDEO_CONTROL = "14/1/"
"""How udev's INTERFACE begins for what a capture device is controlled by (USB Video Class 1.5, section A.1)."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look whether each has a node, which is below its interface for control."""
    for each in case.usb:
        if each.properties.get("INTERFACE", "").startswith(VIDEO_CONTROL) and not _has_node(case, each.path):
            yield NO_VIDEO.found(device=each.usb_id or each.name)


def _has_node(case: Case, path: str) -> bool:
    return any(each.subsystem == "video4linux" and each.path.startswith(f"{path}/") for each in case.devices)
