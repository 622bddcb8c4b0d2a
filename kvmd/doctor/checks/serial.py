"""Serial adapters, and the programs of other trades that take them away."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.contract.device import Device
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine

BRLTTY = Kind(
    "brltty",
    Severity.FAULT,
    "brltty, the driver for braille displays, has taken the serial adapter {adapter}",
    "it takes the adapter's USB id for that of a display; /dev/ttyUSB0 disappears, and no chip behind it can be used",
    "sudo apt-get purge brltty, then plug the adapter in anew",
)
NO_PORT = Kind(
    "no-port",
    Severity.FAULT,
    "the serial adapter {adapter} is plugged in, and has no serial port",
    "the kernel's driver for it ({module}) is not loaded, or failed",
    "sudo modprobe {module}; why it failed: sudo dmesg | tail",
)
MODEM_MANAGER = Kind(
    "modem-manager",
    Severity.WARNING,
    "ModemManager runs, and there is a serial adapter",
    "it asks each new serial port whether it is a modem, which disturbs the chip behind it for a while",
    "sudo systemctl disable --now ModemManager, where no modem is used",
)

ADAPTERS = {"1a86:7523": "ch341", "1a86:fe0c": "cdc_acm"}
"""Adapters that HID chips are behind, and their modules."""

BRLTTY_UNITS = ("brltty.service", "brltty-udev.service")


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look whether each adapter has its port."""
    machine = case.machine
    adapters = {each.path: each for each in case.usb if each.usb_id in ADAPTERS and _is_whole(each)}
    for path, adapter in adapters.items():
        if not any(port.subsystem == "tty" and port.path.startswith(f"{path}/") for port in case.devices):
            yield _why(machine, adapter)
    if adapters and machine.is_active("ModemManager.service"):
        yield MODEM_MANAGER.found()


def _why(machine: Machine, adapter: Device) -> Finding:
    if any(process.name == "brltty" for process in machine.processes) or any(map(machine.is_active, BRLTTY_UNITS)):
        return BRLTTY.found(adapter=adapter.usb_id)
    return NO_PORT.found(adapter=adapter.usb_id, module=ADAPTERS[adapter.usb_id or ""])


def _is_whole(device: Device) -> bool:
    """Tell a USB device from its interfaces."""
    return device.properties.get("DEVTYPE") == "usb_device"
