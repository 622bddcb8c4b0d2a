"""Build the Debian package: ``python build.py ARCHITECTURE WHEEL FOLDER``, as anyone, on any architecture.

The wheel is kvmd's. Those of what it needs are downloaded for the Pythons of Debian 12 and 13 and go into the package,
so that its installation needs no network; their versions and hashes are those of locks/run.txt. It is made by dpkg-deb
alone: debhelper would build Python modules for the one Python of the machine that it runs on.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from hashlib import md5
from pathlib import Path

from packaging.markers import Marker

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHONS = {"3.11": 36, "3.13": 41}
"""Those of Debian 12 and 13, and the minor version of their C library."""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
LIB = "usr/lib/kvmd-hal"
FILES = {
    "etc/*.rules": "usr/lib/udev/rules.d",
    "etc/*.service": "usr/lib/systemd/system",
    "etc/*.target": "usr/lib/systemd/system",
    "etc/*.socket": "usr/lib/systemd/system",
    "etc/sysusers.d/*": "usr/lib/sysusers.d",
    "etc/tmpfiles.d/*": "usr/lib/tmpfiles.d",
    "etc/kvmd.toml": "etc/kvmd",
    "locks/run.txt": LIB,
    "tools/environment.py": LIB,
    "tools/install-locked": LIB,
    "packaging/debian/copyright": "usr/share/doc/kvmd-hal",
    "CHANGELOG.md": "usr/share/doc/kvmd-hal",
    "packaging/debian/lintian/*": "usr/share/lintian/overrides",
}
LINKS = {
    "usr/bin/kvmd": "/opt/kvmd/bin/kvmd",
    "etc/issue.d/kvmd.issue": "/run/kvmd-console/issue",
}
PROGRAMS = {"install-locked", "postinst", "prerm", "postrm"}
SECRET = {"kvmd.toml"}
"""What the postinst gives to the group kvmd, and nobody else reads."""
PIN = re.compile(
    r"""^(?P<pin>[a-z0-9.-]+==[^ \\;]+)
        (?:\ ;\ (?P<marker>[^\\\n]+?))?\ \\\n
        (?P<hashes>(?:\ +--hash=\S+(?:\ \\)?\n)+)""",
    re.MULTILINE | re.VERBOSE,
)


def main(architecture: str, wheel: Path, folder: Path) -> None:
    """Build it into the folder, and print its path."""
    if architecture not in MACHINES:
        sys.exit(f"no package for {architecture}: PyPI lacks wheels for it; run make install there (docs/install.md)")
    version = debian_version(wheel.name.split("-")[1])
    path = folder / f"kvmd-hal_{version}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        tree.chmod(0o755)
        wheels = tree / LIB / "wheels"
        for python in PYTHONS:
            download(python, architecture, wheels)
        shutil.copy(wheel, wheels)
        lay_out(tree)
        control(tree, version, architecture)
        # wheels are compressed already
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, path], check=True)
    print(path)


def debian_version(version: str) -> str:
    """Return a version as Debian sorts it: what comes before a release (PEP 440) has a tilde."""
    return re.sub(r"\.?(a|b|rc|dev)(\d+)", r"~\1\2", version)


def download(python: str, architecture: str, wheels: Path) -> None:
    """Download the wheels for a Python."""
    glibcs = range(PYTHONS[python], 16, -1)
    platforms = [f"manylinux_2_{minor}_{MACHINES[architecture]}" for minor in glibcs]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", wheels]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", "--no-deps"]
    command += [f"--platform={platform}" for platform in (*platforms, f"manylinux2014_{MACHINES[architecture]}")]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write(locked(python))
        lock.flush()
        subprocess.run([*command, "--require-hashes", "--requirement", lock.name], check=True)


def locked(python: str) -> str:
    """Return the lock's lines for a Python; pip would take its markers for the Python that it runs with."""
    known = {"python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython"}
    pins = PIN.finditer((ROOT / "locks/run.txt").read_text())
    fitting = (pin for pin in pins if pin["marker"] is None or Marker(pin["marker"]).evaluate(known))
    return "".join(f"{pin['pin']} \\\n{pin['hashes']}" for pin in fitting)


def lay_out(tree: Path) -> None:
    """Put the files of the checkout where they belong."""
    for pattern, folder in FILES.items():
        for source in ROOT.glob(pattern):
            put(source, tree / folder)
    for link, target in LINKS.items():
        (tree / link).parent.mkdir(parents=True, exist_ok=True)
        (tree / link).symlink_to(target)


def control(tree: Path, version: str, architecture: str) -> None:
    """Write what dpkg reads: DEBIAN/."""
    for name in ("postinst", "prerm", "postrm", "triggers", "conffiles"):
        put(HERE / name, tree / "DEBIAN")
    files = [path for path in sorted(tree.glob("usr/**/*")) if path.is_file() and not path.is_symlink()]
    sums = {path.relative_to(tree): md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in files}
    (tree / "DEBIAN/md5sums").write_text("".join(f"{digest}  {path}\n" for path, digest in sums.items()))
    size = sum(path.stat().st_size for path in files) >> 10
    text = (HERE / "control").read_text()
    fields = {"VERSION": version, "ARCHITECTURE": architecture, "SIZE": str(size)}
    (tree / "DEBIAN/control").write_text(re.sub(r"@(\w+)@", lambda found: fields[found[1]], text))


def put(source: Path, folder: Path) -> None:
    """Copy a file, with the mode that it is installed with."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / source.name)
    name = source.name
    (folder / name).chmod(0o755 if name in PROGRAMS else 0o640 if name in SECRET else 0o644)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
