"""``kvmd power``: the target's power, through the daemon that runs; and letting go of its buttons where none does."""

from __future__ import annotations

from typing import Any

import click

from kvmd.cli.common import common_options, json_option, make_kvm, print_json, read_settings
from kvmd.cli.daemon import ask
from kvmd.contract.power import PowerButton
from kvmd.errors import DeviceAbsent


@click.group()
def power() -> None:
    """Switch the target on and off, press its buttons, see its lamps."""


@power.command()
@json_option
@common_options
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show whether the target is on, and what is wired."""
    report = _ask(context)["data"]
    if as_json:
        print_json(report)
        return
    click.echo(f"target: {report['target']}")
    click.echo(f"{report['driver'] or 'no driver'}: {report['state']}: {report['reason']}")
    click.echo(f"wired: {', '.join(report['capabilities']) or 'nothing'}")
    for remark in report["remarks"]:
        click.echo(remark)


def _action(name: str, words: str) -> click.Command:
    @click.command(name.replace("_", "-"), help=words)
    @common_options
    @click.pass_context
    def act(context: click.Context) -> None:
        click.echo(_ask(context, {"action": name})["info"])

    return act


for each in (
    ("on", "Switch the target on, or wake it; nothing is done where it is on."),
    ("off", "Ask the target to shut down; nothing is done where it is off."),
    ("force_off", "Cut the target's power with a long press."),
    ("reset", "Press the reset button."),
):
    power.add_command(_action(*each))


@power.command()
@click.argument("button", type=click.Choice([button.value for button in PowerButton]), default="power")
@click.option("--seconds", type=float, help="How long, 0.1 to 20.  [default: power.short_press]")
@common_options
@click.pass_context
def press(context: click.Context, button: str, seconds: float | None) -> None:
    """Press BUTTON (default: power), whatever the lamp says."""
    length = {} if seconds is None else {"seconds": seconds}
    click.echo(_ask(context, {"action": "press", "button": button, **length})["info"])


@power.command()
@common_options
@click.pass_context
def release(context: click.Context) -> None:
    """Release every button, where the daemon was killed in the middle of a press; kvmd.service does it by itself.

    Nothing is done where no power device is there.
    """
    choice = make_kvm(context).choices["power"]
    try:
        driver = choice.make()
        driver.open()
    except DeviceAbsent as error:
        click.echo(f"nothing to release: {error}")
        return
    driver.close()
    click.echo(f"every button of {driver.name} is released")


def _ask(context: click.Context, wanted: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the daemon how power stands, or to do something."""
    method = "GET" if wanted is None else "POST"
    return ask(read_settings(context), method, "/api/power", wanted)
