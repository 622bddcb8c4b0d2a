"""How QEMU is told to boot the guest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .image import Image

# drivers of the emulated chipset that udev would load, each for half a second, and no test wants; xhci_pci is loaded by
# those that want a USB device
UNWANTED = (
    *("ahci", "i2c_i801", "iTCO_wdt", "kvm_amd", "kvm_intel", "lpc_ich", "pcspkr", "powernow_k8", "psmouse"),
    "xhci_pci",
)
# MB of translated code: the default, an eighth of the memory, costs the host twice the system time, and no run fills it
ACCELERATOR = "tcg,thread=multi,tb-size=256"
# one for each guest, as there are more guests than CPUs of the host: of two, it stops one in the middle of what the
# other waits for. Seen: "Oops: int3", since the emulator ran code from before the other CPU had patched it, and
# dummy_hcd's list of requests in pieces, so that unbinding a gadget never ended
CPUS = "1"
# beside three guests the tests that need no kernel, one after the other, would get a quarter of two CPUs, and go on for
# ten minutes on one of them after the guests have ended
NICE = "3"
# no_timer_check: on a busy host the guest's timer may miss the moment in which the kernel tests it, which then panics
# clearcpuid=cx16: after CMPXCHG16B, QEMU 7.2 may take an address for the flags, as it computes them from what the last
# block of code has left (target/i386, helper_cmpxchg16b). Seen: "PANIC: double fault" in kmem_cache_alloc, as a timer
# came in the next moment, and the flags that came back with it were those of virtual 8086 mode. Programs go on seeing
# it in CPUID: NumPy does not start without
KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off audit=0 lsm=landlock,yama nokaslr tsc=reliable "
    "clearcpuid=cx16 "
    f"random.trust_cpu=on systemd.show_status=false modprobe.blacklist={','.join(UNWANTED)}"
)


@dataclass(frozen=True)
class Places:
    """What a guest finds where.

    :param port: the socket to which its agent is connected
    :param share: the folder with the checkout and the package, which it only reads
    :param logs: the folder that gets its console and its journal
    :param usb: QEMU's arguments for the USB ports
    """

    port: Path
    share: Path
    logs: Path
    usb: Sequence[str]

    @property
    def console(self) -> Path:
        """What the kernel has printed."""
        return self.logs / "console.log"


Launch = Callable[[Places], list[str]]
"""Gives the command that starts a guest."""


def launching(image: Image) -> Launch:
    """Give the command that boots this image."""

    def command(places: Places) -> list[str]:
        return [
            # a guest must not outlive a pytest that was killed
            *("setpriv", "--pdeathsig", "KILL"),
            *("nice", "-n", NICE),
            "qemu-system-x86_64",
            *("-machine", "q35", "-accel", ACCELERATOR, "-cpu", "max", "-smp", CPUS, "-m", "2048"),
            *("-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{places.console}"),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", KERNEL_ARGUMENTS),
            *("-drive", f"file={image.disk},if=none,id=disk,format=raw,readonly=on"),
            *("-device", "virtio-blk-pci,drive=disk"),
            *("-virtfs", f"local,path={places.share},mount_tag=lab,security_model=none,multidevs=remap,readonly=on"),
            *("-device", "virtio-serial-pci", "-chardev", f"socket,id=port,path={places.port}"),
            *("-device", "virtserialport,chardev=port,name=kvmd.lab"),
            *("-chardev", f"file,id=journal,path={places.logs / 'journal.log'}"),
            *("-device", "virtserialport,chardev=journal,name=kvmd.journal"),
            *places.usb,
        ]

    return command
