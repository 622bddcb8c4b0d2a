"""The USB device port: its controller, the gadget on it, and the host at the other end."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.contract.roles import HID
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine

NO_CONTROLLER = Kind(
    "no-controller",
    Severity.FAULT,
    "there is no USB device controller in /sys/class/udc, and HID is to be the driver usb_gadget",
    "the target sees no keyboard and no mouse",
    "set the port to peripheral mode, as the board's manual says; or choose another driver in hid.driver",
)
NO_LIBCOMPOSITE = Kind(
    "no-libcomposite",
    Severity.WARNING,
    "the kernel's module libcomposite is not loaded, or configfs is not mounted",
    "no keyboard can be made on the USB device port {udc}",
    "sudo systemctl enable --now kvmd-gadget",
)
NO_GADGET = Kind(
    "no-gadget",
    Severity.WARNING,
    "the USB device port {udc} carries no gadget",
    "the target sees no keyboard and no mouse on it",
    "sudo systemctl enable --now kvmd-gadget",
)
FOREIGN_GADGET = Kind(
    "foreign-gadget",
    Severity.WARNING,
    "the USB device port {udc} carries the gadget {gadget}, not {ours}",
    "the port is another program's, and the target sees what that shows",
    "end that program for good; kvmd-gadget.service takes the port within half a minute",
)
NO_HOST = Kind(
    "no-host",
    Severity.WARNING,
    "the target has not taken the keyboard on {udc} (state: {state})",
    "nothing can be typed until it does",
    "switch the target on or wake it; take a cable that carries data, in the port that is the device's",
)

GADGETS = "sys/kernel/config/usb_gadget"


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at each controller, where nothing but the gadget is wanted."""
    machine = case.machine
    controllers = machine.names("sys/class/udc/*")
    if case.driver(HID.name) not in (None, "usb_gadget"):
        return
    if not controllers and case.wants(HID.name, "usb_gadget"):
        yield NO_CONTROLLER.found()
    if controllers:
        yield from _controllers(case, controllers)


def _controllers(case: Case, controllers: list[str]) -> Iterator[Finding]:
    """Look at them; one that carries our gadget is enough."""
    machine, filled = case.machine, case.filled.get(HID.name)
    ours = str(filled.options.get("gadget", "kvmd")) if filled else "kvmd"
    carried = _bound(machine)
    udc = next((udc for udc, gadget in carried.items() if gadget == ours and udc in controllers), None)
    if udc is None:
        yield from _without(machine, controllers[0], ours, carried)
    elif case.daemon.status is None and (state := machine.text(f"sys/class/udc/{udc}/state")) != "configured":
        yield NO_HOST.found(udc=udc, state=state or "unknown")


def _without(machine: Machine, udc: str, ours: str, carried: dict[str, str]) -> Iterator[Finding]:
    if udc in carried:
        yield FOREIGN_GADGET.found(udc=udc, gadget=carried[udc], ours=ours)
    elif not machine.path(GADGETS).exists():
        yield NO_LIBCOMPOSITE.found(udc=udc)
    else:
        yield NO_GADGET.found(udc=udc)


def _bound(machine: Machine) -> dict[str, str]:
    """Return which gadget each controller carries."""
    gadgets = machine.names(f"{GADGETS}/*")
    bound = {machine.text(f"{GADGETS}/{gadget}/UDC"): gadget for gadget in gadgets}
    return {udc: gadget for udc, gadget in bound.items() if udc}
