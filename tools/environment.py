"""Make kvmd's virtual environment anew, whatever is there: ``python3 environment.py FOLDER LOCK PACKAGE``.

It is made beside the one that is there, and takes its place once it is whole: who is interrupted has the old one still,
and runs this again. What others have installed into the old one, as vendors' drivers, is taken along; what is compiled
for another Python cannot be, and is named.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWN = "kvmd-own.txt"
"""The file in an environment with the names of what was not installed by others."""
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TOOLS = Path(__file__).parent


def main(folder: Path, lock: str, package: str) -> None:
    """Make the environment, and put it in the place of the old one."""
    new, old = (folder.with_name(f"{folder.name}.{suffix}") for suffix in ("new", "old"))
    if old.exists() and not folder.exists():
        old.rename(folder)  # the last run was interrupted between its two renames
    for each in (new, old):
        shutil.rmtree(each, ignore_errors=True)
    try:
        make(new, lock, package)
        own = installed(new)
        (new / OWN).write_text("".join(f"{name}\n" for name in sorted(own)))
        take_along(folder, new, set(own))
        compile_all(new, folder)
        move(new, folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    os.sync()  # a power cut must not leave the names without the files
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def make(new: Path, lock: str, package: str) -> None:
    """Install the package into a new environment; without gpiod where there is no wheel of it, and no compiler.

    Nothing of the system is seen meanwhile, so that none of it is relied on.
    """
    subprocess.run([sys.executable, "-m", "venv", f"--prompt={new.stem}", new], check=True)
    install = [TOOLS / "install-locked", new / "bin/pip", lock]
    environment = {**os.environ, "PIP_NO_COMPILE": "1"}
    if subprocess.run([*install, f"{package}[gpio]"], check=False, env=environment).returncode:
        subprocess.run([*install, package], check=True, env=environment)


def installed(folder: Path) -> dict[str, Distribution]:
    """Return what is installed in an environment, by name."""
    sites = [str(site) for site in folder.glob("lib/python3*/site-packages")]
    return {re.sub(r"[-_.]+", "-", each.name).lower(): each for each in distributions(path=sites) if each.name}


def take_along(folder: Path, new: Path, own: set[str]) -> None:
    """Copy what others have installed into the old environment, and say what that was, and what has to be installed."""
    before = folder / OWN
    known = own | set(before.read_text().split() if before.exists() else ())
    others = {name: each for name, each in installed(folder).items() if name not in known}
    for name, each in others.items():
        told = f"{name} {each.version}"
        if fits(each) and copy(each, new):
            say(f"{told} was taken along")
        else:
            say(f"{told} does not fit this Python; install it again: {folder}/bin/pip install {name}=={each.version}")
    if others:
        checked = subprocess.run([new / "bin/pip", "check"], capture_output=True, text=True, check=False)
        for line in checked.stdout.splitlines() if checked.returncode else ():
            say(line)


def fits(each: Distribution) -> bool:
    """Tell whether this Python can use it: it was made for this one, for any, or for any later one."""
    if f"python{VERSION}" in str(each.locate_file("")):
        return True
    tags = re.findall(r"^Tag: (\w+)-(\w+)-", each.read_text("WHEEL") or "", re.MULTILINE)
    return any(abi == "abi3" or (python, abi) == ("py3", "none") for python, abi in tags)


def copy(each: Distribution, new: Path) -> bool:
    """Copy its files to where they belong in the new environment; False where it does not say which they are."""
    site = new / f"lib/python{VERSION}/site-packages"
    inside = [(each.locate_file(file), (site / file).resolve()) for file in each.files or ()]
    for source, target in inside:
        if target.is_relative_to(new) and target.suffix != ".pyc" and Path(source).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return bool(inside)


def compile_all(new: Path, folder: Path) -> None:
    """Compile what the daemon imports, since it may write nothing there; the tests of others are a third of all."""
    command = [new / "bin/python", "-m", "compileall", "-qq", "-x", "/tests/", "-s", new, "-p", folder, new / "lib"]
    subprocess.run(command, check=False)  # some packages have files for other Pythons


def move(new: Path, folder: Path) -> None:
    """Let its programs say that they are where they are going to be; from there they see the system's packages, too.

    Those are python3-picamera2 and python3-evdev, which pip could not build on a small board.
    """
    settings = new / "pyvenv.cfg"
    settings.write_text(
        settings.read_text().replace(f"{new}", f"{folder}").replace("packages = false", "packages = true")
    )
    for path in (new / "bin").iterdir():
        if path.is_file() and not path.is_symlink():
            program = path.read_bytes().replace(bytes(new), bytes(folder))
            path.write_bytes(re.sub(rb"\A(#!.*/bin/python)[0-9.]+\n", rb"\g<1>3\n", program))


def say(text: str) -> None:
    """Tell whoever installs."""
    print(f"kvmd: {text}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
