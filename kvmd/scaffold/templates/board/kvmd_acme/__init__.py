"""Boards: each TOML file beside this one is a board that kvmd then knows."""

from __future__ import annotations

from pathlib import Path

from kvmd import Board, hookimpl, load_boards

KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_boards() -> list[Board]:
    """Offer the boards."""
    return load_boards(Path(__file__).parent)
