"""``kvmd devices``, ``drivers`` and ``boards``: what is plugged in, what is for it, and what this is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

import click

from kvmd.cli.common import common_options, json_option, load_registry, make_kvm, print_json, read_settings, source_name
from kvmd.cli.daemon import ask
from kvmd.contract import board
from kvmd.contract.board import Board, BoardChoice, Facts
from kvmd.contract.driver import BaseDriver
from kvmd.contract.reports import Broken
from kvmd.contract.roles import ROLES, role_of
from kvmd.errors import ConfigError, KvmdError
from kvmd.plugins.choice import is_recognised
from kvmd.plugins.registry import Registry
from kvmd.system.config import options_of, toml_value

PLUGIN = "plug-in "
"""How the names of what hangs begin, in the status, that belongs to a plug-in."""

DAEMON_PATIENCE = 3.0
"""Seconds for the daemon to say what is wrong with its plug-ins; one that does not is no matter here."""


@click.command()
@json_option
@common_options
@click.pass_context
def devices(context: click.Context, as_json: bool) -> None:
    """List what is plugged in, which drivers are for it, and which of them fill the roles now."""
    found = load_registry().devices()
    if as_json:
        roles = {role: choice.report() for role, choice in make_kvm(context).choices.items()}
        print_json({"devices": found, "roles": roles})
        return
    for device in found:
        drivers = ", ".join(device.drivers) or "none"
        details = ", ".join(filter(None, (device.usb_id, device.serial, device.path)))
        click.echo(f"{device.label}  [{details or device.subsystem}]  drivers: {drivers}")
    if not found:
        click.echo("nothing is plugged in that a driver is for")
    click.echo()
    for role, choice in make_kvm(context).choices.items():
        report = choice.report()
        device_name = f" on {report.device}" if report.device else ""
        click.echo(f"{role}: {report.problem or f'{report.driver}{device_name}'}")


@click.command()
@click.argument("name", required=False)
@json_option
@common_options
@click.pass_context
def drivers(context: click.Context, name: str | None, as_json: bool) -> None:
    """List the drivers, or show the options of the one named NAME; and say which plug-ins cannot be used."""
    registry = load_registry()
    found = [driver for driver in registry.drivers if name in (None, driver.name)]
    if name and not found:
        names = ", ".join(sorted({driver.name for driver in registry.drivers}))
        raise ConfigError(f'there is no driver "{name}"; there are: {names}')
    if as_json:
        shown = [_describe(driver, registry.problem(driver)) for driver in found]
        print_json({"drivers": shown, "broken": _broken(context, registry), "disabled": registry.disabled})
    else:
        for driver in found:
            click.echo(_in_words(driver, registry.problem(driver), with_options=bool(name)))
        for plugin in registry.disabled:
            click.echo(f"{plugin}  is switched off: disabled_plugins in {source_name(context)}", err=True)
        _print_broken(_broken(context, registry))


@click.group(invoke_without_command=True)
@json_option
@common_options
@click.pass_context
def boards(context: click.Context, as_json: bool) -> None:
    """List the boards, and say which one this is and why."""
    if context.invoked_subcommand:
        return
    registry = load_registry()
    own, problems = board.survey_boards(board.FOLDER)
    offered = registry.boards()
    known = list(board.catalogue(own, offered).values())
    if not as_json:
        _print_boards(known, problems.values(), registry)
    facts = board.read_facts()
    choice = board.choose_board(read_settings(context).board, own, offered, facts, source_name(context))
    if not as_json:
        _print_choice(choice, facts, source_name(context))
        return
    name = choice.board.name if choice.board else None
    broken = [Broken(str(file), str(error).removeprefix(f"{file}: ")) for file, error in problems.items()]
    answer = {"board": name, "why": choice.why, "alike": choice.alike, "facts": facts}
    print_json({**answer, "boards": known, "broken": [*registry.broken, *broken]})


def _broken(context: click.Context, registry: Registry) -> list[Broken]:
    """List what plug-ins cannot do, also what only the daemon knows, where it runs and may be asked."""
    registry.boards()  # what is wrong with them is told, too
    told: list[Broken] = []
    with contextlib.suppress(KvmdError, LookupError):
        status = ask(read_settings(context), "GET", "/api/status", patience=DAEMON_PATIENCE)["data"]
        told += [Broken(each["name"], each["reason"]) for each in status["broken"]]
        hung = [each for each in status["hung"] if each["name"].startswith(PLUGIN)]
        told += [Broken(each["name"].removeprefix(PLUGIN), f"{each['doing']} hangs") for each in hung]
    return list(dict.fromkeys([*registry.broken, *told]))


def _print_broken(broken: Sequence[Broken]) -> None:
    for each in broken:
        click.echo(f"{each.name}  cannot be used: {each.reason}", err=True)
    if broken:
        source = source_name(click.get_current_context())
        click.echo(f'to switch a plug-in off: disabled_plugins = ["{broken[0].name}"] in {source}', err=True)


def _print_boards(boards: Iterable[Board], problems: Iterable[ConfigError], registry: Registry) -> None:
    for each in boards:
        click.echo(_board_in_words(each))
    _print_broken(registry.broken)
    for error in problems:
        click.echo(f"{error}; kvmd does not start until the file is mended or removed", err=True)


def _print_choice(choice: BoardChoice, facts: Facts, source: str) -> None:
    """Say which board this is, why, and which it could be as well."""
    name = choice.board.name if choice.board else "none of these"
    click.echo(f"\nthis is {name}: {choice.why}")
    firmware = {"model": facts.model, "compatible": facts.compatible, "product": facts.product}
    said = board.in_words({key: value for key, value in firmware.items() if value})
    click.echo(f"its firmware says: {said or 'nothing'}")
    if choice.alike:
        click.echo(f"these look the same: {', '.join(choice.alike)}")
        click.echo(f'if it is one of them, name it in {source}, such as: board = "{choice.alike[0]}"')


def _board_in_words(each: Board) -> str:
    given = board.in_words(each.known_by.given())
    named = f"has to be named{', looks like ' * bool(given)}"
    lines = [f"{each.name}  {each.title}", f"  {named if each.by_name else 'known by '}{given}"]
    for role in ROLES:
        filled = role.on(each)
        options = f" {toml_value(filled.options)}" if filled.options else ""
        lines.append(f"  {role.name}: {filled.driver}{options}")
    return "\n".join(lines)


def _role(driver: type[BaseDriver]) -> str:
    role = role_of(driver)
    return role.name if role else "none"


def _summary(driver: type[BaseDriver]) -> str:
    return (driver.__doc__ or "").strip().partition("\n")[0]


def _describe(driver: type[BaseDriver], problem: str | None) -> dict[str, object]:
    return {
        "name": driver.name,
        "role": _role(driver),
        "summary": _summary(driver),
        "problem": problem,
        "matches": list(driver.matches),
        "options": list(options_of(driver.Options)),
    }


def _in_words(driver: type[BaseDriver], problem: str | None, with_options: bool) -> str:
    lines = [f"{driver.name}  [{_role(driver)}]  {_summary(driver)}"]
    if problem:
        lines.append(f"  cannot be used here: {problem}")
    if not is_recognised(driver):
        lines.append(f'  no device leads to it: it has to be named, as in {_role(driver)}.driver = "{driver.name}"')
    if with_options:
        for option in options_of(driver.Options):
            lines += [f"  {option.key} = {toml_value(option.default)}", f"      {option.type}: {option.help}"]
    return "\n".join(lines)
