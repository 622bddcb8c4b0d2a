"""What the walk-throughs quote stands in the files that they name, and every command in them is one."""

import re
from pathlib import Path

import pytest

from kvmd.cli.main import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs/adding-a-board.md", ROOT / "docs/writing-a-driver.md"]
QUOTE = re.compile(r"<!-- quoted: (\S+) -->\n```\w+\n(.*?)```\n", re.DOTALL)
QUOTES = [(page.name, *found) for page in PAGES for found in QUOTE.findall(page.read_text())]


@pytest.mark.parametrize(("page", "path", "quoted"), QUOTES)
def test_quotes(page: str, path: str, quoted: str) -> None:
    assert quoted in (ROOT / path).read_text(), f"{page} quotes what {path} does not say any more"


def test_every_python_block_is_a_quote() -> None:
    blocks = sum(page.read_text().count("```python\n") for page in PAGES)
    assert blocks == sum(path.endswith(".py") for _, path, _ in QUOTES) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands(page: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    named = {line.split()[1] for block in blocks for line in block.split("\n") if line.startswith("kvmd ")}
    assert named <= cli.commands.keys()
