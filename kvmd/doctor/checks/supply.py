"""The power supply, as a Raspberry Pi's firmware sees it.

Documented in the kernel's include/soc/bcm2835/raspberrypi-firmware.h (``GET_THROTTLED``: the lower half is now, the
upper since the boot) and Documentation/hwmon/raspberrypi-hwmon.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine

LOW_VOLTAGE = Kind(
    "low-voltage",
    Severity.FAULT,
    "the power supply gives too low a voltage at this moment",
    "the board slows down, and USB devices and the SD card fail now and then",
    "take the supply that is made for the board, and a short, thick cable; feed USB devices by a hub of their own",
)
VOLTAGE_DROPPED = Kind(
    "voltage-dropped",
    Severity.WARNING,
    "the power supply gave too low a voltage at some moment since the boot",
    "USB devices are lost at such moments, and the SD card may be damaged",
    "take the supply that is made for the board, and a short, thick cable; feed USB devices by a hub of their own",
)
TOO_HOT = Kind(
    "too-hot",
    Severity.WARNING,
    "the board is slowed down, as it is too hot",
    "fewer pictures a second are encoded",
    "a heat sink, a fan, or more air",
)

THROTTLED = "sys/devices/platform/soc*/soc*:firmware/get_throttled"
ALARM = "sys/class/hwmon/hwmon*/in0_lcrit_alarm"
UNDER_VOLTAGE, SLOWED, HOT, SINCE_BOOT = 1 << 0, 1 << 2, 1 << 3, 16
"""The bits, and where their history begins."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at what the firmware and its driver say."""
    bits = _throttled(case.machine)
    if bits & UNDER_VOLTAGE or _alarm(case.machine):
        yield LOW_VOLTAGE.found()
    elif bits >> SINCE_BOOT & UNDER_VOLTAGE:
        yield VOLTAGE_DROPPED.found()
    if bits & HOT or (bits & SLOWED and not bits & UNDER_VOLTAGE):
        yield TOO_HOT.found()


def _throttled(machine: Machine) -> int:
    for path in machine.paths(THROTTLED):
        try:
            return int(path.read_text(), 16)
        except (OSError, ValueError):
            continue
    return 0


def _alarm(machine: Machine) -> bool:
    """Ask the driver rpi_volt, which other kernels have in place of that file."""
    chips = (path.parent for path in machine.paths(ALARM))
    return any(
        machine.text(f"sys/class/hwmon/{chip.name}/name") == "rpi_volt"
        and machine.text(f"sys/class/hwmon/{chip.name}/in0_lcrit_alarm") == "1"
        for chip in chips
    )
