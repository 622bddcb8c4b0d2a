"""``kvmd boards check`` and ``kvmd boards schema``: for who writes a board's file."""

from __future__ import annotations

from pathlib import Path

import click

from kvmd.cli.common import common_options, load_registry, print_json
from kvmd.contract import board
from kvmd.contract.board import Board, in_words
from kvmd.contract.roles import ROLES
from kvmd.plugins.board_check import check_board
from kvmd.plugins.toml_schema import toml_schema


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@common_options
def check(file: Path) -> None:
    """Say what is wrong in the board's file FILE, and whether it fits this machine."""
    registry = load_registry()
    checked = check_board(file, registry)
    click.echo(f"{file}: {checked.name} is in order\n{_fit(checked)}")
    for role in ROLES:
        settings = role.on(checked)
        report = registry.choose(role, settings, str(file)).report()
        on = f" on {report.device}" if report.device else ""
        click.echo(f"  {role.name}: {report.problem or f'{report.driver}{on}'}")


@click.command()
@common_options
def schema() -> None:
    """Print the JSON schema of a board's file, for editors: with the options of the drivers that are installed here."""
    print_json(toml_schema(Board, load_registry().drivers))


def _fit(checked: Board) -> str:
    """Say whether this machine is such a board; what would fill its roles follows."""
    given = checked.known_by.given()
    found = checked.known_by.found(board.read_facts())
    is_one = f"this machine is one, by {in_words(found)}" if found else f"this machine is none: no {in_words(given)}"
    taken = f'it is taken where it is named: board = "{checked.name}"'
    words = [is_one] * bool(given) + [taken] * checked.by_name
    return "\n".join([*words, "its roles, here and now:"])
