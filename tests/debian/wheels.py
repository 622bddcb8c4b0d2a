"""Wheels that hold next to nothing, for tests of installing."""

import zipfile
from pathlib import Path


def make(folder: Path, name: str, tag: str = "py3-none-any", requires: str = "") -> Path:
    """Make a wheel with a module, and a program that prints the package's name.

    :param requires: further lines of its metadata
    """
    info = f"{name}-1.dist-info"
    path = folder / f"{name}-1-{tag}.whl"
    files = {
        f"{name}.py": f"def main():\n    print('{name}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{requires}Provides-Extra: gpio\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in {**files, f"{info}/RECORD": "".join(f"{each},,\n" for each in files)}.items():
            archive.writestr(inner, text)
    return path
