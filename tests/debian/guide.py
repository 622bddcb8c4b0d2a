"""What docs/install.md has people do."""

from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/install.md"


def removal() -> list[str]:
    """Return the lines that take away what `make install` has installed, for root."""
    block = GUIDE.read_text().split("To remove it:")[1].split("```")[1]
    return [line.removeprefix("sudo ") for line in block.splitlines() if line.startswith("sudo ")]
