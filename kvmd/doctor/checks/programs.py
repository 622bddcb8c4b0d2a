"""Other programs: those that want the same devices, and those that have our ports."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.contract.addresses import parse_address
from kvmd.contract.settings import WebSettings
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

OTHER_KVM = Kind(
    "other-kvm",
    Severity.FAULT,
    "another KVM program runs on this machine: {program} ({unit})",
    "both want the same devices and ports, and each takes them from the other",
    "{command}",
)
PORT_TAKEN = Kind(
    "port-taken",
    Severity.FAULT,
    "port {port}, where the daemon is to listen (web.{setting}), is in use by {holder}",
    "the daemon does not start, or nobody reaches it there",
    "end that program, or set another port in web.{setting}",
)

UNITS = {
    "kvmd-otg.service": "PiKVM",
    "kvmd-nginx.service": "PiKVM",
    "kvmd-web.service": "BliKVM",
    "kvmd-video.service": "BliKVM",
    "kvmd-hid.service": "BliKVM",
    "tinypilot.service": "TinyPilot",
    "ustreamer.service": "µStreamer",
    "one-kvm.service": "One-KVM",
}
PROCESSES = {
    "ustreamer": "µStreamer",
    "NanoKVM-Server": "NanoKVM",
    "jetkvm_app": "JetKVM",
    "one-kvm": "One-KVM",
}
"""By their names; a process that is a unit's is named by that."""

LISTEN = ("listen", "tls_listen", "video_listen", "video_tls_listen")


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look for other programs, and at who listens on our ports."""
    yield from _others(case)
    yield from _ports(case)


def _others(case: Case) -> Iterator[Finding]:
    machine = case.machine
    active = {program: unit for unit, program in UNITS.items() if machine.is_active(unit)}
    for program, unit in active.items():
        yield OTHER_KVM.found(program=program, unit=unit, command=f"sudo systemctl disable --now {unit}")
    for process in machine.processes:
        program = PROCESSES.get(process.name, "")
        if program and program not in active and not {"PiKVM", "TinyPilot"} & active.keys():
            command = f"end it for good; for now: sudo kill {process.pid}"
            yield OTHER_KVM.found(program=program, unit=process, command=command)


def _ports(case: Case) -> Iterator[Finding | Unseen]:
    """Look at each port that is set; a daemon that answers has got all of them, and one that is hidden may have."""
    if case.daemon.status is not None or case.daemon.hidden:
        return
    machine = case.machine
    for port, setting in _wanted(case.settings.web).items():
        holders = machine.listeners(port)
        if holders:
            yield PORT_TAKEN.found(port=port, setting=setting, holder=", ".join(map(str, holders)))
        elif holders is not None:
            yield PORT_TAKEN.found(port=port, setting=setting, holder="a program that sudo kvmd doctor names")


def _wanted(web: WebSettings) -> dict[int, str]:
    """Return the ports that are set, each with the setting's name."""
    places = {address: name for name in LISTEN for address in getattr(web, name)}
    parsed = ((parse_address(address), name) for address, name in places.items())
    return {place[1]: name for place, name in parsed if isinstance(place, tuple) and place[1]}
