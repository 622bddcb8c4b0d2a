"""``kvmd gadget up``, ``down`` and ``status``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from kvmd import DriverError

from . import gadget
from .descriptors import BCD_DEVICE, FUNCTIONS

F = TypeVar("F", bound=Callable[..., Any])


def read_hex(_context: click.Context, _option: click.Parameter, value: str) -> int:
    """Read a 16-bit number as USB ids are written, with or without 0x."""
    try:
        number = int(value, 16)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise click.BadParameter(f"{value!r} is no number from 0000 to ffff")
    return number


def machine_serial(path: Path = Path("/etc/machine-id")) -> str:
    """Make a serial number that stays the same, and does not give the machine's id away (see machine-id(5))."""
    try:
        machine = path.read_bytes().strip()
    except OSError:
        machine = b""
    return hashlib.sha256(b"kvmd-hal gadget " + machine).hexdigest()[:12]


def _hex(*names: str, default: int, meaning: str) -> Callable[[F], F]:
    return click.option(
        *names, default=f"{default:04x}", show_default=True, callback=read_hex, metavar="HEX", help=meaning
    )


_name = click.option("--name", default="kvmd", show_default=True, help="The gadget's name in configfs.")


@click.group("gadget")
def gadget_commands() -> None:
    """Make or remove the USB keyboard and mouse of this board.

    The board's USB device port becomes a keyboard with media and power keys, an absolute and a relative mouse for the
    computer at the other end of its cable. It is gone after a reboot: kvmd-gadget.service makes it anew.
    """


@gadget_commands.command()
@_name
@click.option("--udc", help="The controller, as `ls /sys/class/udc` shows it.  [default: the first free one]")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice([function.name for function in FUNCTIONS[1:]]),
    help="Leave out a mouse or the media keys, for controllers with few endpoints; may be repeated.",
)
@click.option("--wakeup-on-write", is_flag=True, help="Let a key wake the host; some boards lock up with it.")
@_hex("--vendor-id", "vendor", default=0x1D6B, meaning="USB vendor id.")
@_hex("--product-id", "product", default=0x0104, meaning="USB product id.")
@_hex("--device-version", "version", default=BCD_DEVICE, meaning="The version that the host is told, bcdDevice.")
@click.option("--manufacturer", default="kvmd-hal", show_default=True, help="The maker's name that the host shows.")
@click.option(
    "--product", "product_name", default="Keyboard and mouse", show_default=True, help="The name that the host shows."
)
@click.option(
    "--serial",
    default=machine_serial,
    show_default="made from this machine's id",
    help="The serial number that the host shows.",
)
def up(name: str, udc: str | None, without: tuple[str, ...], wakeup_on_write: bool, **identity: int | str) -> None:
    """Make the gadget; what is there already and fits stays as it is.

    Needs root.
    """
    _require_root("up")
    functions = [function for function in FUNCTIONS if function.name not in without]
    gadget.load_modules()
    plan = gadget.Plan(name, msgspec.convert(identity, gadget.Identity), functions, wakeup_on_write)
    left_out = gadget.up(plan, udc)
    if left_out:
        click.echo(f"there is no room for: {', '.join(function.title for function in left_out)}", err=True)
    _show(gadget.find(name), name)


@gadget_commands.command()
@_name
def down(name: str) -> None:
    """Take the keyboard and mouse away from the host.

    Needs root.
    """
    _require_root("down")
    if not gadget.down(name):
        click.echo(f"there is no gadget {name}")


@gadget_commands.command()
@_name
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(name: str, as_json: bool) -> None:
    """Show the gadget, its controller and its nodes; anyone may."""
    found = gadget.find(name)
    if as_json:
        click.echo(msgspec.json.encode(found or gadget.Found(name, None, None, {})))
    else:
        _show(found, name)


def _show(found: gadget.Found | None, name: str) -> None:
    if found is None:
        click.echo(f"there is no gadget {name}")
        return
    click.echo(f"gadget {name} on {found.udc or 'no controller'}: {found.state or 'not bound'}")
    for function, node in found.nodes.items():
        click.echo(f"  {function:<10} {node}")


def _require_root(command: str) -> None:
    if os.geteuid() != 0:
        raise DriverError(f"a USB gadget is root's to change: run 'sudo kvmd gadget {command}'")
