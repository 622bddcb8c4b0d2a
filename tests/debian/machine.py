"""A bare Debian system in a folder, of which commands see nothing else: no network, no other processes."""

import json
import os
import pty
import subprocess
import urllib.request
from pathlib import Path

from tests.ports import HOST, free_ports
from tests.waiting import eventually, patience

ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    # no systemd is there to talk to
    "SYSTEMD_OFFLINE": "1",
    "SYSTEMD_IN_CHROOT": "1",
}
KEPT = ("etc/kvmd", "var/lib/kvmd")
NOT_OURS = ("root/", "var/cache/apt/", "var/lib/apt/", "var/lib/dpkg/", "var/log/")
"""What a test brings, and what dpkg and apt keep for themselves."""
SERVE = ("sh", "-c", "setpriv --reuid=kvmd --regid=kvmd --init-groups kvmd serve; exit")
"""As a child of the shell: a process that changes its user does not end any more with who has started it."""


class Machine:
    """A system of its own.

    :param root: the folder, which exists
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(
        self, *command: str | Path, is_online: bool = False, terminal: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start a command, as root; what it has started ends with it."""
        return subprocess.Popen(
            [*ALONE, f"--root={self.root}", *(() if is_online else ("--net",)), *command],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )

    def cut_off(self, process: subprocess.Popen[str]) -> str:
        """Kill a command, and wait for the end of all that it has started; return what it said."""
        process.kill()
        return process.communicate(timeout=patience())[0]

    def run(self, *command: str | Path, terminal: int = subprocess.DEVNULL) -> str:
        """Run a command, which has to end well, and return what it says."""
        with self.begin(*command, terminal=terminal) as process:
            told = process.communicate(timeout=patience() * 10)[0]
        assert process.returncode == 0, f"{command}:\n{told}"
        return told

    def console(self) -> str:
        """Return what stands on the console above its login."""
        ours, its = pty.openpty()
        try:
            return self.run("agetty", "--show-issue", terminal=its)
        finally:
            os.close(ours)
            os.close(its)

    def install(self, package: Path) -> str:
        """Install a package alone, of any version."""
        return self.run("dpkg", "--force-unsafe-io", "--install", self.bring(package))

    def bring(self, path: Path) -> str:
        """Bring a file into its /root; return its path there."""
        (self.root / "root" / path.name).write_bytes(path.read_bytes())
        return f"/root/{path.name}"

    def kept(self) -> dict[str, tuple[bytes, int, str]]:
        """Return the files that are the user's, with their modes and owners."""
        paths = [path for folder in KEPT for path in sorted((self.root / folder).rglob("*")) if path.is_file()]
        owners = self.run("stat", "--format=%U:%G", *(f"/{path.relative_to(self.root)}" for path in paths)).split()
        return {
            str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mode & 0o777, owner)
            for path, owner in zip(paths, owners, strict=True)
        }

    def files(self) -> set[str]:
        """List all files that are not a test's, dpkg's or apt's; and users and groups."""
        listed = subprocess.check_output(["find", self.root, "-printf", "%P\n"], text=True).splitlines()
        accounts = [
            f"{name}: {line.partition(':')[0]}"
            for name in ("passwd", "group", "shadow", "gshadow")
            for line in (self.root / "etc" / name).read_text().splitlines()
        ]
        return {path for path in (*listed, *accounts) if not path.startswith(NOT_OURS)}

    def serves(self, password: str = "") -> None:
        """Let the daemon serve as the user kvmd, and log in; with the first password unless another is given."""
        port = free_ports(1)[0]
        settings = self.root / "etc/kvmd/kvmd.toml"
        before = settings.read_text()
        settings.write_text(VIRTUAL.format(listen=f"{HOST}:{port}"))
        with self.begin(*SERVE, is_online=True) as process:
            try:
                eventually(lambda: process.poll() is not None or _answers(port), "the daemon")
                password = password or (self.root / "var/lib/kvmd/first-password").read_text().strip()
                asked = json.dumps({"username": "admin", "password": password}).encode()
                with urllib.request.urlopen(f"http://{HOST}:{port}/login_api", asked, timeout=patience()) as answer:
                    assert json.load(answer)["status"] == 1
            finally:
                print(self.cut_off(process))
                settings.write_text(before)


VIRTUAL = """
capture.driver = "virtual"
hid.driver = "virtual"
web.listen = ["{listen}"]
web.video_listen = []
web.tls_listen = []
web.video_tls_listen = []
"""


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=patience()).close()
    except OSError:
        return False
    return True
