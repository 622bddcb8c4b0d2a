"""Make a package of a template: a copy, in which ``acme`` is the new name.

The templates are packages that work as they are, so that they are linted and type-checked like all else.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from kvmd.errors import RequestError

TEMPLATES: Final = Path(__file__).parent / "templates"
PLACEHOLDER: Final = "acme"
DOT: Final = "dot-"
"""How the names of files begin there that begin with a dot: wheels leave such out."""
MAX_NAME: Final = 40

KINDS: Final = ("driver", "board", "plugin")
ROLES: Final = ("capture", "hid", "power")


def check_name(name: str, taken: Collection[str]) -> None:
    """Refuse a name that kvmd or Python could not use.

    :param taken: the names that are in use
    :raises RequestError: it cannot be used
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or name.endswith("_") or len(name) > MAX_NAME:
        raise RequestError(
            f'"{name}" cannot be a name: it begins with a small letter, small letters, digits and underscores follow, '
            f"{MAX_NAME} at most; such as my_kvm"
        )
    if name in taken or importlib.util.find_spec(f"kvmd_{name}"):
        raise RequestError(f'the name "{name}" is taken by kvmd or what is installed beside it; choose another')


def make(kind: str, role: str, name: str, into: Path) -> Path:
    """Write the package, and return its folder, which has its name.

    :param kind: one of ``KINDS``
    :param role: one of ``ROLES``, what a driver is for
    :param name: one that was checked
    :raises RequestError: the folder is there, or cannot be written; nothing is overwritten
    """
    folder = into / name
    layers = ["package", *(["driver", role] if kind == "driver" else [kind])]
    try:
        into.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for layer in layers:
            for path in _files(TEMPLATES / layer):
                target = folder / _renamed(str(path.relative_to(TEMPLATES / layer)), name).replace(DOT, ".")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_renamed(path.read_text(), name))
    except FileExistsError as error:
        raise RequestError(f"{error.filename} is there already; choose another name, or another --into") from error
    except OSError as error:
        raise RequestError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def _files(folder: Path) -> Iterator[Path]:
    """List the files of a template; pip leaves compiled ones among them."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def _renamed(text: str, name: str) -> str:
    """Put the new name in the placeholder's place: in packages' names with dashes, in classes' as one word."""
    words = {
        f"kvmd-{PLACEHOLDER}": f"kvmd-{name.replace('_', '-')}",
        PLACEHOLDER.title(): name.title().replace("_", ""),
        PLACEHOLDER: name,
    }
    return re.sub("|".join(words), lambda found: words[found[0]], text)
