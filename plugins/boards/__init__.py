"""The boards that kvmd knows: one TOML file each, with what is known of it and what is not; see docs/boards.md."""

from __future__ import annotations

from pathlib import Path

from kvmd import Board, hookimpl, load_boards


@hookimpl
def kvmd_boards() -> list[Board]:
    """Name the bundled boards."""
    return load_boards(Path(__file__).parent)
