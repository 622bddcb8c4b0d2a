"""Boot a PC's image in QEMU, as its owner would: ``python -m tests.image.trial IMAGE``; docs/image.md.

By UEFI: the console shows the first password, the page and the console take it, the key in the boot partition opens
ssh. Settings are changed, and the machine is switched off. By BIOS: everything is as it was left.
"""

import json
import os
import re
import select
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import HOST, free_ports

HTTPS, SSH = free_ports(2)
BOOT_AT = "1M"
ROOM = 4 << 30
"""Bytes of the disk that the image is written to."""
PATIENCE = 1800.0
"""Seconds for any answer: a boot takes a minute on an idle machine."""
TRIES = 5
ACCELERATOR = "tcg,thread=multi,tb-size=256"
UNWANTED = "kvm_amd,kvm_intel,powernow_k8,psmouse,pcspkr,parport_pc,bochs,iTCO_wdt,i2c_i801,lpc_ich"
EMULATED = (
    "no_timer_check clearcpuid=cx16 mitigations=off audit=0 random.trust_cpu=on loglevel=3 "
    "systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900 "
    f"modprobe.blacklist={UNWANTED}"
)
"""What an emulated kernel wants to be told (tests/lab/qemu.py), that it has time, and what it can do without."""
UEFI = ("-bios", "/usr/share/ovmf/OVMF.fd")
BIOS = ()
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
SECOND = "correct horse battery staple"
FACTS = {
    "name": "cat /etc/hostname",
    "machine id": "cat /etc/machine-id",
    "host keys": "cat /etc/ssh/ssh_host_*_key.pub | sha256sum",
    "settings": "sudo cat /etc/kvmd/kvmd.toml | sha256sum",
    "certificate": "sudo kvmd certificate show | grep SHA-256",
}


class Console:
    """A guest's serial console.

    :param guest: QEMU, with the console at its standard input and output
    """

    def __init__(self, guest: "subprocess.Popen[bytes]") -> None:
        self._guest = guest
        self._unread = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Wait for words, and take all up to them."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self._unread)) is None:
            self._read(deadline, pattern)
        self._unread = self._unread[found.end() :]
        return found

    def send(self, line: str) -> None:
        """Type a line."""
        assert self._guest.stdin
        self._guest.stdin.write(f"{line}\n".encode())
        self._guest.stdin.flush()

    def log_in(self, password: str) -> None:
        """Log in."""
        self.until(r"\S+ login: ")
        # login(1) waits for a minute: on a busy machine the first try may be too slow
        for _ in range(TRIES):
            self.send("admin")
            self.until("Password: ")
            self.send(password)
            if self.until(r"\$ |\S+ login: ")[0] == "$ ":
                break
        else:
            raise SystemExit("the console does not take the password")
        self.send("PS1= TERM=dumb; bind 'set enable-bracketed-paste off'; stty -echo")
        self.run("sudo systemctl start kvmd")  # the console shows the password a moment before kvmd answers

    def run(self, command: str) -> str:
        """Run a command, which has to end well; return what it prints."""
        self.send(f'{command}; echo "<$?>"')
        found = self.until(r"(?s)(.*)<(\d+)>\n")
        if found[2] != "0":
            raise SystemExit(f"{command}: exit code {found[2]}:\n{found[1]}")
        return found[1].strip()

    def switch_off(self) -> None:
        """Wait until it is off."""
        self.send("sudo systemctl poweroff")
        self._guest.communicate(timeout=PATIENCE)

    def _read(self, deadline: float, wanted: str) -> None:
        assert self._guest.stdout
        ready, _, _ = select.select([self._guest.stdout], [], [], max(0.0, deadline - time.monotonic()))
        read = os.read(self._guest.stdout.fileno(), 4096) if ready else b""
        if not read:
            raise SystemExit(f"the console did not show {wanted!r}; its last words:\n{self._unread[-2000:]}")
        text = ESCAPES.sub("", read.decode(errors="replace"))
        sys.stderr.write(text)
        self._unread += text


@contextmanager
def guest(disk: Path, firmware: tuple[str, ...]) -> Iterator[Console]:
    """Start the machine."""
    forwarded = f"hostfwd=tcp:{HOST}:{HTTPS}-:443,hostfwd=tcp:{HOST}:{SSH}-:22"
    # a guest must not outlive what was killed
    command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "q35", "-accel", ACCELERATOR]
    command += ["-cpu", "max", "-m", "1024", "-nodefaults", "-display", "none", "-serial", "stdio", *firmware]
    command += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
    command += ["-nic", f"user,model=e1000e,{forwarded}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Console(process)
        finally:
            process.kill()


def ask(path: str, **body: str) -> str:
    """Ask the page or API; nobody vouches for the certificate yet."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"https://{HOST}:{HTTPS}{path}", json.dumps(body).encode() if body else None)
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        return str(answer.read().decode())


def takes(password: str) -> bool:
    """Tell whether the page takes a password."""
    try:
        return bool(json.loads(ask("/login_api", username="admin", password=password))["status"] == 1)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return False
        raise


def check(is_so: bool, what: str) -> None:
    """Say what is so, or end."""
    if not is_so:
        raise SystemExit(f"not so: {what}")
    sys.stderr.write(f"\n*** {what}\n")


def first(console: Console, key: Path, is_read_only: bool) -> dict[str, str]:
    """Do what the owner does first; return what has to stay."""
    password = console.until(r"https://[\d.]+, user admin, first password (\S+);")[1]
    console.log_in(password)
    check("<title>" in ask("/"), "the page is there")
    check(takes(password), "it takes the first password that the console showed, and so does the console")
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    ssh = ["ssh", "-i", str(key), "-p", str(SSH), *options, f"admin@{HOST}", "sudo", "id", "-un"]
    said = subprocess.run(ssh, stdout=subprocess.PIPE, text=True, check=False).stdout
    check(said == "root\n", "ssh takes the key in the boot partition, and sudo asks for nothing")
    check(console.run("systemctl is-system-running --wait || systemctl --failed") == "running", "no unit has failed")
    console.run(f"echo '{SECOND}' | sudo kvmd passwd --stdin")
    console.run("echo '# a word of the owner' | sudo tee -a /etc/kvmd/kvmd.toml")
    console.run("touch ~/written")
    room = "/data" if is_read_only else "/"
    size = int(console.run(f"findmnt --noheadings --bytes --output SIZE {room}"))
    check(size > (ROOM >> 3 if is_read_only else ROOM * 3 // 4), f"{room} has grown to {size >> 20} MB")
    return facts(console, is_read_only)


def facts(console: Console, is_read_only: bool) -> dict[str, str]:
    """Return what has to be the same after a boot."""
    kind = console.run("findmnt --noheadings --output FSTYPE /")
    check(kind == ("overlay" if is_read_only else "ext4"), f"the root is {kind}")
    return {what: console.run(command) for what, command in FACTS.items()}


def second(console: Console, before: dict[str, str], is_read_only: bool) -> None:
    """See that what the owner did is still so."""
    console.log_in(SECOND)
    check(console.run("sudo cat /run/kvmd-console/issue") == "", "the console takes the new password, and shows none")
    check(takes(SECOND), "so does the page")
    after = facts(console, is_read_only)
    for what, value in after.items():
        check(before[what] == value, f"its {what}: the same as before")
    is_there = console.run("ls ~") == "written"
    check(is_there != is_read_only, f"a file outside of its data is {'there' if is_there else 'forgotten'}")


def prepare(image: Path, folder: Path) -> tuple[Path, Path, bool]:
    """Write the image to a disk, and put the owner's key there.

    :return: the disk, the key, and whether its root is only read
    """
    disk, key = folder / "disk", folder / "key"
    subprocess.run(["cp", "--sparse=always", image, disk], check=True)
    os.truncate(disk, ROOM)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    boot = f"{disk}@@{BOOT_AT}"
    subprocess.run(["mcopy", "-i", boot, f"{key}.pub", "::authorized_keys"], check=True)
    text = ""
    for name in ("syslinux.cfg", "loader/entries/kvmd.conf"):
        text = subprocess.run(["mtype", "-i", boot, f"::{name}"], check=True, stdout=subprocess.PIPE, text=True).stdout
        changed = re.sub(r"root=.*", rf"\g<0> {EMULATED}", text)
        subprocess.run(["mcopy", "-o", "-i", boot, "-", f"::{name}"], check=True, input=changed, text=True)
    return disk, key, "kvmd.read_only" in text


def main(image: Path) -> None:
    """Try it."""
    with tempfile.TemporaryDirectory(dir=image.parent) as folder:
        disk, key, is_read_only = prepare(image, Path(folder))
        with guest(disk, UEFI) as console:
            before = first(console, key, is_read_only)
            console.switch_off()
        with guest(disk, BIOS) as console:
            second(console, before, is_read_only)
            console.switch_off()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
