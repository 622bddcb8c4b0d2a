"""What is wrong in a board's file, each with the line on which it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kvmd.contract.board import Board
from kvmd.contract.roles import ROLES
from kvmd.errors import ConfigError
from kvmd.plugins.registry import Registry
from kvmd.system.config import read_toml


def check_board(path: Path, registry: Registry) -> Board:
    """Read a board's file, and see that each driver in it is there and has the options that it is given.

    :raises ConfigError: what is wrong, a line each
    """
    try:
        board = read_toml(path, Board)
    except ConfigError as error:
        raise ConfigError(_with_line(path, error)) from error
    problems = [_with_line(path, error) for error in _in_roles(board, registry, path)]
    if problems:
        raise ConfigError("\n".join(problems))
    return board


def _in_roles(board: Board, registry: Registry, path: Path) -> Iterator[ConfigError]:
    for role in ROLES:
        try:
            registry.choose(role, role.on(board), str(path))
        except ConfigError as error:
            yield error


def _with_line(path: Path, error: ConfigError) -> str:
    """Put the line behind the file's name; a message of the settings begins with both file and key."""
    words = str(error).removeprefix(f"{path}: ")
    key = re.match(r"[\w.-]+", words)
    line = _line_of(path, key[0].rstrip(".")) if key else None
    return f"{path}:{line}: {words}" if line else str(error)


def _line_of(path: Path, key: str) -> int | None:
    """Return the line on which a dotted key stands, or else the table or inline table that has it, if it is found."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    table = ""
    found: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            table = f"{header[1]}."
            found.setdefault(header[1], number)
        elif pair := re.match(r"\s*([\w.-]+)\s*=", line):
            found.setdefault(table + pair[1], number)
    while key and key not in found:
        key = key.rpartition(".")[0]
    return found.get(key)
