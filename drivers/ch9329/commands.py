"""``kvmd ch9329``: look at a chip, set it up, or pretend one."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import click
import msgspec

from kvmd import DeviceAbsent, DriverError

from .chip import Chip
from .payloads import MAX_TEXT, Config, Text, encode_text
from .port import ADAPTERS, Port
from .pretended import PretendedChip, Target
from .protocol import BAUDS, Command
from .simulator import Fault, Simulator

_MODES = (
    "keyboard, mouse and custom HID",
    "keyboard",
    "mouse by one document, keyboard and mouse by another",
    "custom HID",
)
_SERIAL_MODES = ("protocol", "ASCII", "transparent", "unknown")
_FAULTS = ", ".join(fault.value for fault in Fault)


def read_baud(value: str) -> int:
    """Read a speed that the chip has."""
    if not value.isdecimal() or int(value) not in BAUDS:
        raise click.BadParameter(f"{value!r} is none of {', '.join(map(str, sorted(BAUDS)))}")
    return int(value)


def read_usb_id(value: str) -> int:
    """Read half of a USB id as ``lsusb`` writes it, with or without 0x."""
    try:
        number = int(value, 16)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise click.BadParameter(f"{value!r} is no number from 0000 to ffff")
    return number


def read_text(value: str) -> str:
    """Check a string that the chip is to keep."""
    try:
        encode_text(Text.VENDOR, value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def read_fault(value: str) -> tuple[Fault, float]:
    """Read NAME=RATE."""
    name, _, rate = value.partition("=")
    try:
        fault, often = Fault(name), float(rate)
    except ValueError:
        fault, often = Fault.SILENCE, -1.0
    if not 0 <= often <= 1:
        raise click.BadParameter(f"{value!r} is not NAME=RATE, a rate from 0 to 1 and a name of {_FAULTS}")
    return fault, often


def on_a_chip(command: Callable[..., None]) -> Callable[..., None]:
    """Have a command say which chip, and give it that chip, found."""

    @click.option("--device", help="The serial port, such as /dev/ttyUSB0.  [default: the only one that may be it]")
    @click.option("--baud", type=read_baud, metavar="BAUD", help="Bits a second.  [default: found]")
    @click.option(
        "--address", type=click.IntRange(0, 254), default=0, help="The chip's; 0 for one that answers to any."
    )
    @functools.wraps(command)
    def run(device: str | None, baud: int | None, address: int, **given: object) -> None:
        with _chip(device or _only_port(), address, [baud] if baud else BAUDS) as chip:
            command(chip, **given)

    return run


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@contextlib.contextmanager
def _chip(path: str, address: int, bauds: tuple[int, ...] | list[int]) -> Iterator[Chip]:
    port = Port(path, address)
    port.open()
    try:
        chip = Chip(port)
        chip.find(bauds)
        yield chip
    finally:
        port.close()


def _only_port() -> str:
    from serial.tools.list_ports import comports  # noqa: PLC0415  # as in port.py

    found = sorted(port.device for port in comports() if port.vid and f"{port.vid:04x}:{port.pid:04x}" in ADAPTERS)
    if not found:
        raise DeviceAbsent("no serial port is plugged in that is known to carry a CH9329: name it with --device")
    if len(found) > 1:
        raise DriverError(f"any of {', '.join(found)} may carry the CH9329: name one with --device")
    return str(found[0])


@click.group("ch9329")
def chip_commands() -> None:
    """Look at a CH9329 on a serial port, set it up, or pretend one.

    A port serves one program at a time: stop the daemon, if it uses it.
    """


@chip_commands.command()
@json_option
@on_a_chip
def info(chip: Chip, as_json: bool) -> None:
    """Find the chip, and show how it stands."""
    found, port = chip.info(), chip.port
    if as_json:
        click.echo(msgspec.json.encode({"device": port.path, "baud": port.baud, **msgspec.to_builtins(found)}))
        return
    lit = ", ".join(name for name, on in msgspec.structs.asdict(found.leds).items() if on)
    click.echo(f"CH9329 {found.version_text} on {port.path} at {port.baud} baud")
    click.echo(f"target: {'has accepted its keyboard' if found.enumerated else 'has not accepted its keyboard'}")
    click.echo(f"lamps: {lit or 'none'}")


@chip_commands.command()
@click.option("--set-baud", type=read_baud, metavar="BAUD", help="Bits a second.")
@click.option("--set-address", type=click.IntRange(0, 254), help="0 answers to any.")
@click.option(
    "--set-work-mode",
    type=click.IntRange(0, 3),
    help="; ".join(f"{number} {text}" for number, text in enumerate(_MODES)),
)
@click.option("--set-vendor-id", type=read_usb_id, metavar="HEX", help="The USB vendor id that the target sees.")
@click.option("--set-product-id", type=read_usb_id, metavar="HEX", help="The USB product id that the target sees.")
@click.option("--set-gap", type=click.IntRange(1, 0xFFFF), help="Milliseconds without a byte that end a frame.")
@json_option
@on_a_chip
def config(chip: Chip, as_json: bool, **changes: int | None) -> None:
    """Show the configuration, or change it.

    A change resets the chip, and is undone if it does not answer afterwards.
    """
    wanted = {name.removeprefix("set_"): value for name, value in changes.items() if value is not None}
    if wanted:
        chip.reconfigure(**wanted)
    found = chip.config()
    if as_json:
        values = msgspec.structs.asdict(found)
        click.echo(msgspec.json.encode({name: _in_json(value) for name, value in values.items()}))
    for name, value in [] if as_json else _in_words(found):
        click.echo(f"{name:<12} {value}")


def _in_json(value: int | bytes) -> int | str:
    return value.hex(" ") if isinstance(value, bytes) else value


def _in_words(config: Config) -> Iterator[tuple[str, str]]:
    yield "work mode", _mode(config.work_mode, _MODES)
    yield "serial mode", _mode(config.serial_mode, _SERIAL_MODES)
    yield "address", str(config.address or "0, answers to any")
    yield "baud", str(config.baud)
    yield "gap", f"{config.gap} ms"
    yield "USB id", f"{config.vendor_id:04x}:{config.product_id:04x}"
    yield "own strings", ", ".join(kind.name.lower() for kind in Text if config.uses_text(kind)) or "none"


def _mode(mode: int, words: tuple[str, ...]) -> str:
    return f"{mode & 3}, {words[mode & 3]}{' (set by pins)' if mode & 0x80 else ''}"


@chip_commands.command()
@click.option("--vendor", type=read_text, help=f"The maker's name, at most {MAX_TEXT} characters.")
@click.option("--product", type=read_text, help="The product's name.")
@click.option("--serial", type=read_text, help="The serial number.")
@json_option
@on_a_chip
def strings(chip: Chip, as_json: bool, **texts: str | None) -> None:
    """Show maker, product and serial number that the target is told, or change them.

    A change resets the chip.
    """
    wanted = {Text[name.upper()]: text for name, text in texts.items() if text is not None}
    for kind, text in wanted.items():
        chip.write_text(kind, text)
    if wanted:
        chip.reset()
    found = {kind.name.lower(): chip.text(kind) for kind in Text}
    if as_json:
        click.echo(msgspec.json.encode(found))
    for name, text in {} if as_json else found.items():
        click.echo(f"{name:<8} {text or 'not set'}")


@chip_commands.command()
@on_a_chip
def reset(chip: Chip) -> None:
    """Start the chip anew; the target loses its keyboard and mouse for a moment."""
    chip.reset()
    click.echo(f"the chip answers again on {chip.port.path} at {chip.port.baud} baud")


@chip_commands.command()
@click.confirmation_option(prompt="Forget the chip's configuration and strings?")
@on_a_chip
def factory(chip: Chip) -> None:
    """Give the chip the factory's configuration, 9600 baud, and start it anew."""
    chip.factory()
    click.echo(f"the chip has the factory's configuration, and answers on {chip.port.path} at {chip.port.baud} baud")


@chip_commands.command()
@click.option("--baud", type=read_baud, metavar="BAUD", default="9600", show_default=True, help="Bits a second.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=read_fault,
    metavar="NAME=RATE",
    help=f"What goes wrong, and how often, 0 to 1; may be repeated. NAME: {_FAULTS}.",
)
@click.option(
    "--clear-up-to",
    type=read_baud,
    metavar="BAUD",
    default="115200",
    show_default=True,
    help="The highest speed at which its replies can be read.",
)
@click.option("--seed", default=0, show_default=True, help="For chance.")
def simulate(baud: int, faults: tuple[tuple[Fault, float], ...], clear_up_to: int, seed: int) -> None:
    """Pretend a chip on a pseudo-terminal, until Ctrl+C or SIGTERM; what the target gets is printed.

    Lines on standard input do something to it: "unplug", "plug" and "reboot" to the target, "leds 2" lights its lamps
    (1 Num, 2 Caps, 4 Scroll), and the name of a fault lets the next frame fail.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chip = PretendedChip(Config(baud=baud), Target(_print_report))
    simulator = Simulator(chip, rates=dict(faults), clear_up_to=clear_up_to, seed=seed)
    with contextlib.suppress(KeyboardInterrupt), simulator:
        click.echo(f"a CH9329 at {baud} baud on {simulator.path}; try it with\n")
        click.echo(f"  kvmd ch9329 info --device {simulator.path}\n\nor in kvmd.toml\n")
        click.echo(f'  [hid]\n  driver = "ch9329"\n  options = {{ device = "{simulator.path}" }}\n')
        threading.Thread(target=_obey, args=(simulator,), daemon=True).start()
        simulator.wait()


def _obey(simulator: Simulator) -> None:
    for line in sys.stdin:
        try:
            act(simulator, line.split())
        except ValueError as error:
            click.echo(error, err=True)


def act(simulator: Simulator, words: list[str]) -> None:
    """Do to a simulator what a line says.

    :raises ValueError: it says nothing that is known
    """
    target = simulator.chip.target
    match words:
        case ["unplug"]:
            target.unplug()
        case ["plug"]:
            target.plug()
        case ["reboot"]:
            target.reboot()
        case ["leds", bits] if bits.isdecimal():
            target.leds = int(bits) & 7
        case [name] if name in _FAULTS.split(", "):
            simulator.fail(Fault(name))
        case _:
            raise ValueError(f"not understood: {' '.join(words)}")


def _print_report(command: Command, data: bytes) -> None:
    click.echo(f"{command.name.lower().replace('_', ' '):<15} {data.hex(' ')}")
