"""``kvmd new``: a package for a driver, a board or a plug-in of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from kvmd.cli.common import load_registry
from kvmd.contract import board
from kvmd.scaffold.making import KINDS, ROLES, check_name, make


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What a driver is for.  [default: capture]")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="The folder in which the package's own is made.  [default: here]",
)
def new(kind: str, name: str, role: str | None, into: Path) -> None:
    """Make a package: a driver, a board or a plug-in, named NAME, that installs and passes its tests."""
    if role and kind != "driver":
        raise click.UsageError("--role is of a driver alone")
    registry = load_registry()
    boards = board.catalogue(board.survey_boards(board.FOLDER)[0], registry.boards())
    check_name(name, {*registry.plugins, *(driver.name for driver in registry.drivers), *boards})
    folder = shlex.quote(str(make(kind, role or ROLES[0], name, into)))
    place = folder if "/" in folder else f"./{folder}"
    click.echo(f"made {folder}; next:\n\n  pip install -e {place}'[test]'\n  pytest {folder}\n")
    click.echo(f"{folder}/README.md goes on from there")
