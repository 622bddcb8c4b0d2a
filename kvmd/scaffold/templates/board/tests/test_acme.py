"""Every board in the package is in order, by `kvmd boards check`."""

import subprocess
import sys
from pathlib import Path

import kvmd_acme
import pytest

BOARDS = sorted(Path(kvmd_acme.__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_board(board: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "kvmd", "boards", "check", board], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
