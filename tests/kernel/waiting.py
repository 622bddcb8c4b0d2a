"""How the tests wait for what a kernel does in its own time: :mod:`tests.waiting`, and programs."""

import subprocess

from tests.waiting import eventually, patience

__all__ = ["eventually", "patience", "run", "settle"]


def run(*command: str, stdin: str = "") -> str:
    """Run a program that must succeed; return what it printed."""
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=patience(), check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def settle() -> None:
    """Let udev deal with all that has happened so far; its own patience is the same on every machine."""
    run("udevadm", "settle", f"--timeout={patience():.0f}")
