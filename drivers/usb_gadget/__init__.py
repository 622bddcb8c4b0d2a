"""Keyboard and mouse through the board's own USB device port: any board with a controller in /sys/class/udc.

Works: a boot keyboard with LEDs, an absolute and a relative mouse, media and power keys, all on one port; waking a
sleeping host where the kernel has ``wakeup_on_write``. Met so far: dummy_hcd, the kernel's loopback of a controller and
a host, on Linux 6.12. Not known: how each real controller (dwc2, dwc3, musb …) behaves; not all of them tell when the
host sleeps.

The gadget is made by ``kvmd gadget up``, as root; the driver opens the nodes that it was given and needs no other
rights. Documented in the kernel: Documentation/usb/gadget_hid.rst and drivers/usb/gadget/function/f_hid.c.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from kvmd import (
    Capability,
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    DriverOptions,
    HidDriver,
    HidOffline,
    HidStatus,
    Leds,
    Match,
    Report,
    Unsupported,
    hookimpl,
)

from . import gadget
from .commands import gadget_commands
from .descriptors import FUNCTIONS, Function, capability_of, encode

if TYPE_CHECKING:
    import click

CONFIGURED = "configured"
SUSPENDED = "suspended"
SETTLE = 0.5  # seconds

# The controller's states, as the kernel's usb_state_string() spells them (USB 2.0, section 9.1.1), for a person.
_WORDS = {
    "not attached": "no host is connected to the USB port, or it is off",
    "attached": "a cable is plugged in, and the host does not answer",
    "powered": "the host gives power, and does not answer",
    "default": "the host has only begun to look at the keyboard",
    "addressed": "the host sees the keyboard, and has not accepted it",
    SUSPENDED: "the host sleeps",
}
_STATE_CHANGED = select.POLLPRI | select.POLLERR  # how sysfs tells that an attribute changed
_HUNG_UP = select.POLLERR | select.POLLHUP | select.POLLNVAL


class UsbGadgetOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Options of the driver."""

    udc: Annotated[
        str | None, Meta(description="The controller, as `ls /sys/class/udc` shows it; not set: the gadget's.")
    ] = None
    gadget: Annotated[str, Meta(min_length=1, description="The gadget's name, `--name` of `kvmd gadget up`.")] = "kvmd"
    timeout: Annotated[float, Meta(gt=0, le=4, description="Seconds that the host has to take a report.")] = 2.0

    def selects(self, device: Device) -> bool:
        """Tell whether this is the controller that was asked for."""
        return self.udc is None or device.name == self.udc


class _StaleError(Exception):
    """The node does not serve the host any more; opening it anew may help."""


class _State:
    """The controller's state in sysfs, open so that a thread can wait for a change; each thread needs its own."""

    def __init__(self, udc: str) -> None:
        self._udc = udc
        try:
            self.fd = os.open(gadget.SYSTEM.udc / udc / "state", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceLost(f"the USB controller {udc} is gone") from error

    def read(self) -> str:
        """Read the state, and be ready for its next change."""
        try:
            return os.pread(self.fd, 64, 0).decode().strip()
        except OSError as error:
            raise DeviceLost(f"the USB controller {self._udc} is gone") from error

    def close(self) -> None:
        os.close(self.fd)


class _Node:
    """An open /dev/hidgN: it holds one report until the host asks for it, and is writable again once it was taken."""

    def __init__(self, function: Function, path: str) -> None:
        self.function = function
        self.path = path
        self.fd = _open_node(path)
        self.stuck = ""  # why the kernel may still hold a report, or not want one

    def gone(self) -> bool:
        """Tell whether the kernel has removed the node; a new one may be there under the same name."""
        return os.fstat(self.fd).st_nlink == 0

    def is_stuck(self) -> bool:
        """Tell whether the kernel still holds a report that the host did not take."""
        return bool(self.stuck) and not self.gone() and not self.writable()

    def reopen(self, path: str) -> None:
        """Open the node anew under the same file descriptor, for the thread that may be waiting on it."""
        fresh = _open_node(path)
        os.dup2(fresh, self.fd, inheritable=False)
        os.close(fresh)
        self.path, self.stuck = path, ""

    def write(self, data: bytes) -> bool:
        """Hand a report to the kernel; False while it still holds another."""
        try:
            os.write(self.fd, data)
        except BlockingIOError:
            return False
        except OSError as error:  # ESHUTDOWN, ENODEV, EPIPE …: which one depends on the controller
            raise _StaleError(f"{self.path}: {error.strerror}") from error
        return True

    def writable(self) -> bool:
        """Tell whether the kernel holds no report."""
        return bool(_wait({self.fd: select.POLLOUT}, 0).get(self.fd, 0) & select.POLLOUT)

    def read(self) -> int | None:
        """Read the one byte of an output report; None if there is none."""
        try:
            data = os.read(self.fd, 1)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ESHUTDOWN:
                raise _StaleError(f"no host uses the {self.function.title}: it is off, or the cable is out") from error
            raise DeviceLost(f"{self.path}: {error.strerror}") from error
        if not data:
            raise DeviceLost(f"{self.path}: end of file")
        return data[0]

    def close(self) -> None:
        os.close(self.fd)


class UsbGadget(HidDriver):
    """Types through a USB gadget."""

    name = "usb_gadget"
    Options = UsbGadgetOptions
    matches = (Match("udc", score=50), Match("hidg", score=0))

    def __init__(self, options: UsbGadgetOptions, device: Device | None) -> None:
        self._options = options
        self._udc = options.udc or (device.name if device else None)
        self._nodes: dict[str, _Node] = {}
        self._able = Capability(0)
        self._wakes = False
        self._leds: Leds | None = None
        self._told: str | None = None  # what watch() said last
        self._sending = threading.Lock()
        self._watching = threading.Lock()
        self._stop = -1  # an eventfd that ends all waiting
        self._resources = contextlib.ExitStack()

    @property
    def capabilities(self) -> Capability:
        """What the functions of the gadget can do."""
        return self._able

    def open(self) -> None:
        """Find the gadget and open its nodes."""
        udc, paths = _find(self._options, self._udc)
        self._udc = udc
        self._wakes = gadget.wakes(self._options.gadget)
        with contextlib.ExitStack() as stack:
            self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            stack.callback(os.close, self._stop)
            self._send_state, self._watch_state = (
                stack.enter_context(contextlib.closing(_State(udc))) for _ in range(2)
            )
            nodes = {}
            for function in FUNCTIONS:
                if path := paths.get(function.name):
                    nodes[function.name] = stack.enter_context(contextlib.closing(_Node(function, path)))
            self._resources = stack.pop_all()
            self._nodes, self._able = nodes, _able(node.function for node in nodes.values())

    def send(self, report: Report) -> None:
        """Write a report and wait until the host has taken it."""
        with self._sending:
            node = self._node_for(report)
            data = encode(report)
            # Until a stuck report is taken, each next one would cost the whole time again.
            until = time.monotonic() + (0 if node.is_stuck() else self._options.timeout)
            try:
                self._deliver(node, data, until)
            except _StaleError:
                self._reopen(node)
                try:
                    # The controller says configured a moment before the function is ready.
                    self._await_room(node, until)
                    self._deliver(node, data, until)
                except _StaleError as error:
                    raise DeviceLost(f"{error}, though {self._udc} says {CONFIGURED}") from error

    def watch(self, timeout: float) -> bool:
        """Wait for the LEDs and for the host's coming and going."""
        with self._watching:
            gauge = self._gauge()
            until = time.monotonic() + timeout
            changed = False
            while True:
                problem = self._problem(gauge)
                changed = self._read_leds(gauge) or changed
                if problem != self._told:
                    self._told = problem
                    break
                left = until - time.monotonic()
                if left <= 0 or (changed and not problem):
                    break
                self._await_change(gauge, left)
            if problem:
                raise HidOffline(problem)
            return changed

    def status(self) -> HidStatus:
        """Tell how the host stands, from what sysfs says now and what the nodes have shown."""
        state = gadget.state(self._udc) if self._udc else None
        gauge = next(iter(self._nodes.values()), None)
        connected = state == CONFIGURED and gauge is not None and not gauge.stuck
        return HidStatus(f"USB gadget on {self._udc or 'no controller'}", connected, self._leds, self._remarks())

    def close(self) -> None:
        """Close the nodes, after those who wait on them have been told."""
        if self._nodes:
            os.eventfd_write(self._stop, 1)
        with self._sending, self._watching:
            self._nodes, self._able = {}, Capability(0)
            self._leds = None
            self._resources.close()

    def _remarks(self) -> tuple[str, ...]:
        """Name the functions that an open gadget lacks."""
        why = f"{self._options.gadget} was made without, for lack of endpoints, by --without or by an older version"
        way_out = "`kvmd gadget up` as root adds what there is room for"
        lacking = [function.title for function in FUNCTIONS if self._nodes and function.name not in self._nodes]
        return tuple(f"no {title}: {why}; {way_out}" for title in lacking)

    def _node_for(self, report: Report) -> _Node:
        capability = capability_of(report)
        if not self._nodes:
            raise DeviceLost("the gadget is not open")
        for node in self._nodes.values():
            if capability in node.function.capability:
                return node
        raise Unsupported(f"the gadget {self._options.gadget} has no function for {capability.name}")

    def _gauge(self) -> _Node:
        """Return the node that tells how the host stands: the keyboard's; firmware often asks for no mouse."""
        if not self._nodes:
            raise DeviceLost("the gadget is not open")
        return next(iter(self._nodes.values()))

    def _deliver(self, node: _Node, data: bytes, until: float) -> None:
        if node.gone():
            raise _StaleError(f"{node.path} is gone")
        self._require_host()
        while not node.write(data):
            self._await_room(node, until)
        node.stuck = ""
        self._await_room(node, until)

    def _require_host(self) -> None:
        if trouble := _trouble(self._send_state.read(), self._wakes):
            raise HidOffline(trouble)

    def _await_room(self, node: _Node, until: float) -> None:
        """Wait until the kernel holds no report for the host any more, which is when it was taken, or dropped."""
        state = self._send_state
        wanted = {node.fd: select.POLLOUT, state.fd: _STATE_CHANGED, self._stop: select.POLLIN}
        events = _wait(wanted, until - time.monotonic())
        if self._stop in events:
            raise DeviceLost("the gadget is being closed")
        if state.fd in events:
            node.stuck = f"the host went away while the {node.function.title} sent a report"
            self._require_host()
            raise _StaleError(f"{node.path}: the host has just looked at the gadget anew")
        if events.get(node.fd, 0) & _HUNG_UP or node.gone():
            raise _StaleError(f"{node.path} hung up")
        if node.fd not in events:
            node.stuck = (
                f"the host took no report for {self._options.timeout:g} s: it sleeps, or does not ask "
                f"the {node.function.title}"
            )
            raise HidOffline(f"{node.stuck} (controller state: {state.read()})")
        # When the host lets go of the function, its report is dropped and the node is writable for that moment; not
        # every controller's state tells.
        if not node.writable():
            raise _StaleError(f"{node.path}: the host let go while it was to take a report")

    def _reopen(self, node: _Node) -> None:
        self._send_state.read()  # a controller that is gone is worth its own words
        path = gadget.gadget_nodes(self._options.gadget).get(node.function.name)
        if path is None:
            raise DeviceLost(f"the gadget {self._options.gadget} was taken down")
        self._require_host()
        node.reopen(path)

    def _problem(self, gauge: _Node) -> str | None:
        """Tell why no report would be taken now."""
        state = self._watch_state.read()
        if gauge.gone():
            raise DeviceLost(f"the gadget {self._options.gadget} was taken down: {gauge.path} is gone")
        if state not in {CONFIGURED, SUSPENDED}:
            self._leds = None
        if trouble := _trouble(state, self._wakes):
            return trouble
        if gauge.stuck and not gauge.writable():
            return f"{gauge.stuck} (controller state: {state})"
        gauge.stuck = ""
        return None

    def _await_change(self, gauge: _Node, timeout: float) -> None:
        wanted = select.POLLOUT if gauge.stuck else select.POLLIN * gauge.function.leds
        state = self._watch_state
        events = _wait({gauge.fd: wanted, state.fd: _STATE_CHANGED, self._stop: select.POLLIN}, timeout)
        if self._stop in events:
            raise DeviceLost("the gadget is being closed")
        # Such a node would end every wait at once.
        if events.get(gauge.fd, 0) & _HUNG_UP:
            raise DeviceLost(f"{gauge.path} hung up")

    def _read_leds(self, gauge: _Node) -> bool:
        """Read all that the host has set; tell whether the last of it is new."""
        before = self._leds
        try:
            while gauge.function.leds and not gauge.stuck and (bits := gauge.read()) is not None:
                self._leds = Leds.from_bits(bits)
        except _StaleError as error:
            # Until the host is back the node says readable, without end, but not writable. The controller's state
            # follows in a moment and says more.
            gauge.stuck = str(error)
            _wait({self._watch_state.fd: _STATE_CHANGED, self._stop: select.POLLIN}, SETTLE)
        return self._leds not in (None, before)


def _able(functions: Iterable[Function]) -> Capability:
    found = Capability(0)
    for function in functions:
        found |= function.capability | (Capability.LEDS if function.leds else Capability(0))
    return found


def _open_node(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise DriverError(
            f"{path} may not be opened: be in the group kvmd, and see that udev has 70-kvmd.rules"
        ) from error
    except OSError as error:
        raise DeviceLost(f"{path}: {error.strerror}") from error


def _wait(wanted: Mapping[int, int], timeout: float) -> dict[int, int]:
    """Wait for events on file descriptors, at most some seconds."""
    poll = select.poll()
    for fd, events in wanted.items():
        poll.register(fd, events)
    return dict(poll.poll(max(0, timeout) * 1000))


def _trouble(state: str, wakes: bool) -> str | None:
    """Say in words why a host in this state takes no reports; None if it should."""
    if state == CONFIGURED or (state == SUSPENDED and wakes):
        return None
    return f"{_WORDS.get(state, 'the host takes no reports')} (controller state: {state})"


def _find(options: UsbGadgetOptions, udc: str | None) -> tuple[str, Mapping[str, str]]:
    """Find our gadget on the controller that was asked for, or on any; return the controller and the nodes."""
    found = gadget.find(options.gadget)
    if found is None or found.udc is None or options.udc not in (None, found.udc):
        raise _explain(options.gadget, udc)
    again = "run 'kvmd gadget up' as root"
    if differing := gadget.differing(options.gadget):
        raise DriverError(f"the gadget {options.gadget} has other reports for {', '.join(differing)}: {again}")
    if not found.nodes:
        raise DriverError(f"the gadget {options.gadget} has no HID function at work: {again}")
    return found.udc, found.nodes


def _explain(name: str, udc: str | None) -> DriverError:
    present = gadget.controllers()
    if not present or (udc and udc not in present):
        return DeviceAbsent(f"there is no USB device controller {udc or 'in /sys/class/udc'}")
    udc = udc or present[0]
    other = gadget.holder(udc)
    if other and other != name:
        return DriverError(f"{udc} carries the gadget {other}, not {name}: remove it, or set hid.options.gadget")
    return DriverError(f"no gadget on {udc}: run 'kvmd gadget up' as root, or enable kvmd-gadget.service")


@hookimpl
def kvmd_drivers() -> Iterable[type[HidDriver]]:
    """Offer the driver."""
    return [UsbGadget]


@hookimpl
def kvmd_commands() -> Iterable[click.Command]:
    """Offer ``kvmd gadget``."""
    return [gadget_commands]
