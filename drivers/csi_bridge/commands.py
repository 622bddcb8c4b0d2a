"""``kvmd edid show``, ``set`` and ``edit``."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from kvmd import DeviceAbsent, DriverError, RequestError, edid, remember

from ..v4l2.capture import errors_of
from ..v4l2.receiver import Receiver

F = TypeVar("F", bound=Callable[..., Any])

_device: Callable[[F], F] = click.option(
    "--device", metavar="NODE", help="A video or sub-device node.  [default: the first that has an EDID]"
)
_given: Callable[[F], F] = click.argument("given", metavar="[FILE|PROFILE]", required=False)
_mend: Callable[[F], F] = click.option("--mend", is_flag=True, help="Set the sums of FILE right.")


_REFUSALS = {
    errno.ENOTTY: "has no EDID; without --device, one that has is found",
    errno.EBUSY: "is capturing, and takes no EDID meanwhile: use PUT /api/edid, or stop kvmd",
}


@click.group("edid")
def edid_commands() -> None:
    """Show, set or edit the EDID, by which the source knows what to send.

    FILE is an EDID, binary or hex. PROFILE is one that kvmd ships: 1080p60, 1080p50-2lane or 720p60.
    """


@edid_commands.command()
@_given
@_device
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def show(given: str | None, device: str | None, as_json: bool) -> None:
    """Show what an EDID says: the device's, or the one that is named."""
    if given is None:
        with _receiver(device) as receiver:
            data = receiver.edid()
    else:
        data = edid.load(given)
    told = edid.report(data)
    click.echo(msgspec.json.format(msgspec.json.encode(told)) if as_json else "\n".join(_in_words(told)))


@edid_commands.command("set")
@_given
@click.option("--clear", is_flag=True, help="Show the source none.")
@_device
@_mend
def set_(given: str | None, clear: bool, device: str | None, mend: bool) -> None:
    """Show the source another EDID, from now on and when kvmd starts."""
    if (given is None) != clear:
        raise click.UsageError("name a FILE or PROFILE, or --clear")
    data = _checked(edid.load(given), mend) if given else b""
    with _receiver(device) as receiver:
        _set(receiver, data)


@edid_commands.command()
@_given
@click.option("--name", help="The display's name, at most 13 characters of ASCII.")
@click.option("--serial", help="The serial number; anything but digits is its text.")
@click.option("--preferred", metavar="MODE", help="What the source should send, such as 1920x1080@50.")
@click.option("--output", type=click.Path(path_type=Path), help="A file for the result, instead of the device.")
@_device
@_mend
def edit(given: str | None, device: str | None, output: Path | None, mend: bool, **changes: str | None) -> None:
    """Change the name, the serial number or the preferred mode.

    Without FILE or PROFILE the device's own EDID is changed. With one, --output says where the result goes.
    """
    if not mend and not any(changes.values()):
        raise click.UsageError("give one or more of --name, --serial, --preferred, --mend")
    if given is not None:
        if output is None:
            raise click.UsageError("give --output, a file for the result; `kvmd edid set` takes that")
        _write(output, edid.edit(_checked(edid.load(given), mend), **changes))
        return
    with _receiver(device) as receiver:
        own = receiver.edid()
        if not own:
            raise RequestError(f"{receiver.path} has no EDID that could be edited; set one first")
        data = edid.edit(_checked(own, mend), **changes)
        if output is None:
            _set(receiver, data)
        else:
            _write(output, data)


@contextlib.contextmanager
def _receiver(device: str | None) -> Iterator[Receiver]:
    path = device or _find()
    with errors_of(path), contextlib.closing(Receiver(path)) as receiver:
        try:
            yield receiver
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            raise DriverError(f"{path} {_REFUSALS[error.errno]}") from error


def _find() -> str:
    """Return the first node that has an EDID; a bridge has its own where the video node has none."""
    nodes = [
        path for kind in ("video", "v4l-subdev") for path in sorted(Path("/dev").glob(f"{kind}[0-9]*"), key=_number)
    ]
    for node in map(str, nodes):
        try:
            with contextlib.closing(Receiver(node)) as receiver:
                receiver.edid()
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                raise DriverError(f"{node}: no permission; run it as root") from error
        else:
            return node
    raise DeviceAbsent("no device has an EDID that could be set; plug one in, or name its node with --device")


def _number(path: Path) -> int:
    return int(re.sub(r".*\D", "", path.name))


def _checked(data: bytes, mend: bool) -> bytes:
    data = edid.mend(data) if mend else data
    edid.check(data)
    return data


def _set(receiver: Receiver, data: bytes) -> None:
    receiver.set_edid(data)
    remember(edid.REMEMBERED, data)
    click.echo(f"{receiver.path}: the source sees {_title(edid.decode(data)) if data else 'none'}")


def _write(output: Path, data: bytes) -> None:
    try:
        output.write_bytes(data)
    except OSError as error:
        raise DriverError(f"{output} cannot be written: {error.strerror}") from error


def _in_words(told: edid.Report) -> Iterator[str]:
    if told.problem:
        yield f"damaged: {told.problem}"
    if not told.decoded:
        yield "no EDID" if not told.hex else "it cannot be read"
        return
    seen = told.decoded
    kind = "HDMI" if seen.hdmi else "not HDMI"
    made = f"week {seen.week} of {seen.year}" if seen.week else str(seen.year)
    yield _title(seen)
    yield f"  EDID {seen.version}, {seen.blocks} blocks, {kind}, of {made}"
    for mode in seen.modes:
        yield f"  {mode.name:<16}{_of_mode(mode)}"
    if seen.basic_audio:
        yield "  stereo LPCM at 32, 44.1 and 48 kHz"
    for audio in seen.audio:
        rates = ", ".join(f"{rate / 1000:g}" for rate in audio.rates)
        yield f"  {audio.format}, {audio.channels} channels, at {rates} kHz"


def _title(seen: edid.Edid) -> str:
    serial = f"{seen.serial}" + (f" ({seen.serial_text})" if seen.serial_text else "")
    return f"{seen.name or 'a display without a name'}: maker {seen.maker}, product {seen.product}, serial {serial}"


def _of_mode(mode: edid.Mode) -> str:
    clock = f"{mode.pixel_clock / 1e6:.2f} MHz" if mode.pixel_clock else ""
    source = f"VIC {mode.vic}" if mode.vic else mode.source
    flags = [word for word, on in (("preferred", mode.preferred), ("native", mode.native)) if on]
    return f"{clock:>11}  {', '.join((source, *flags))}"
