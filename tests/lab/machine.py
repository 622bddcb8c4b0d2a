"""The running guest: a QEMU process, its console, and the messages that come out of it."""

import json
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from . import payload
from .errors import LabError
from .image import Image
from .usb.service import Service as UsbDevices

# drivers of the emulated chipset that udev would load, each for half a second, and no test wants; xhci_pci is loaded by
# those that want a USB device
UNWANTED = (
    *("ahci", "i2c_i801", "iTCO_wdt", "kvm_amd", "kvm_intel", "lpc_ich", "pcspkr", "powernow_k8", "psmouse"),
    "xhci_pci",
)
KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet panic=-1 mitigations=off audit=0 lsm=landlock,yama nokaslr tsc=reliable "
    f"random.trust_cpu=on systemd.show_status=false modprobe.blacklist={','.join(UNWANTED)}"
)
# terminal control sequences: CSI, OSC, and the two-character kind
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*\x07?|\x1b.|\r")


@dataclass(frozen=True)
class Limits:
    """How long a guest may take, in seconds."""

    total: float = 3600
    silence: float = 120


class Machine:
    """One boot of the guest.

    :param logs: the folder for the console now, and for journal and JUnit XML in the end
    """

    def __init__(self, image: Image, logs: Path, limits: Limits) -> None:
        self.image = image
        self.logs = logs
        self.limits = limits
        self.console = logs / "console.log"
        self.work = Path(tempfile.mkdtemp(prefix="kvmd-lab-"))
        self.share = self.work / "share"
        self.usb = UsbDevices(self.work)
        self.process: subprocess.Popen[bytes] | None = None
        self.port: socket.socket | None = None
        # what the guest said and when; None once it has ended
        self.messages: SimpleQueue[tuple[float, bytes | None]] = SimpleQueue()
        self.reader: threading.Thread | None = None
        self.started = 0.0

    def start(self, checkout: Path, nodeids: Sequence[str], arguments: Sequence[str]) -> None:
        """Boot, to run these tests with these arguments for pytest."""
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.share.mkdir()
        payload.write(self.share, checkout, nodeids, arguments)
        self.usb.start()
        address = self.work / "port"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen()
            listener.settimeout(self.limits.silence)
            self.started = time.monotonic()
            with (self.logs / "qemu.log").open("wb") as output:
                command = self._command(address)
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            self.port = self._accept(listener)
        # a guest that has to wait until it is listened to would not go on with its tests
        self.reader = threading.Thread(target=self._read, args=(self.port,), name=f"reader of {self.logs.name}")
        self.reader.start()

    def receive(self) -> tuple[float, dict[str, Any]]:
        """The next message, and how long after the start it came, in seconds.

        :raise LabError: the guest died, or took too long; with the end of its console
        """
        left = self.started + self.limits.total - time.monotonic()
        try:
            came, line = self.messages.get(timeout=max(0, min(left, self.limits.silence)))
        except Empty:
            if left < self.limits.silence:
                raise LabError(
                    f"the guest took more than {self.limits.total:g} s: raise KVMD_LAB_TOTAL if it may"
                ) from None
            raise LabError(
                f"the guest said nothing for {self.limits.silence:g} s: raise KVMD_LAB_SILENCE if it may"
            ) from None
        if line is None:
            raise LabError("the guest ended before its tests did")
        return came - self.started, json.loads(line)

    def stop(self, grace: float) -> None:
        """End the guest, and fetch its logs.

        :param grace: how long it may take to power itself off, in seconds
        """
        if self.process is not None:
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.reader is not None:
            self.reader.join()
        if self.port is not None:
            self.port.close()
        self.usb.stop()
        for log in (self.share / "logs").glob("*"):
            shutil.copy(log, self.logs)
        shutil.rmtree(self.work, ignore_errors=True)

    def tail(self, length: int) -> str:
        """The last lines of the guest's console, and QEMU's own words if there are any."""
        text = "\n".join(
            path.read_text(errors="replace") for path in (self.console, self.logs / "qemu.log") if path.exists()
        )
        lines = [line for line in CONTROL.sub("", text).splitlines() if line.strip()]
        return "\n".join(lines[-length:])

    def _accept(self, listener: socket.socket) -> socket.socket:
        """Wait for QEMU, which connects before it boots."""
        assert self.process is not None
        while self.process.poll() is None:
            if select.select([listener], [], [], 0.1)[0]:
                return listener.accept()[0]
        raise LabError("QEMU did not start")

    def _read(self, port: socket.socket) -> None:
        with port.makefile("rb") as stream:
            for line in stream:
                self.messages.put((time.monotonic(), line))
        self.messages.put((time.monotonic(), None))

    def _command(self, address: Path) -> list[str]:
        return [
            # a guest must not outlive a pytest that was killed
            *("setpriv", "--pdeathsig", "KILL"),
            "qemu-system-x86_64",
            *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"),
            *("-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{self.console}"),
            *("-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd), "-append", KERNEL_ARGUMENTS),
            *("-drive", f"file={self.image.disk},if=none,id=disk,format=raw,readonly=on"),
            *("-device", "virtio-blk-pci,drive=disk"),
            *("-virtfs", f"local,path={self.share},mount_tag=lab,security_model=none,multidevs=remap"),
            *("-device", "virtio-serial-pci", "-chardev", f"socket,id=port,path={address}"),
            *("-device", "virtserialport,chardev=port,name=kvmd.lab"),
            *self.usb.arguments(),
        ]
