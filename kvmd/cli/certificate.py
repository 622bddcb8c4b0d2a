"""``kvmd certificate``: what the daemon shows browsers over HTTPS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from kvmd.cli.common import common_options, json_option, print_json, read_settings
from kvmd.errors import RequestError

if TYPE_CHECKING:
    from kvmd.access.pki import Identity


@click.group()
def certificate() -> None:
    """Show, make and install the certificate for HTTPS, which the daemon takes without a restart."""


@certificate.command()
@click.option("--pem", is_flag=True, help="Print the certificate itself, for a browser or system that is to trust it.")
@json_option
@common_options
@click.pass_context
def show(context: click.Context, pem: bool, as_json: bool) -> None:
    """Show the certificate that is in force."""
    from kvmd.access import certificate as store  # noqa: PLC0415  # cryptography is slow to import
    from kvmd.access import pki  # noqa: PLC0415

    path, identity = store.in_force(*_where(context))
    if pem:
        click.echo(pki.report(identity).pem, nl=False)
    elif as_json:
        print_json({"file": str(path), **msgspec.structs.asdict(pki.report(identity))})
    else:
        _print(path, identity)


@certificate.command()
@click.option("--discard", is_flag=True, help="Take away an installed certificate, with its key.")
@common_options
@click.pass_context
def new(context: click.Context, discard: bool) -> None:
    """Make a new key, with a self-signed certificate for this machine's names and addresses.

    It is also made by itself, with the key that is there, 30 days before it ends.
    """
    from kvmd.access import certificate as store  # noqa: PLC0415  # as in show

    folder = _own_folder(context)
    store.renew(folder, discard=discard)
    _print(*store.in_force(folder))


@certificate.command()
@click.argument("names", nargs=-1)
@common_options
@click.pass_context
def csr(context: click.Context, names: tuple[str, ...]) -> None:
    """Print a request for a certificate, for the key that is in force.

    NAMES are the host names and addresses that it is to be for, by default all of this machine's. `kvmd certificate
    install` takes what an authority makes of it.
    """
    from kvmd.access import certificate as store  # noqa: PLC0415  # as in show

    _, identity = store.in_force(*_where(context))
    click.echo(store.request(identity, list(names)), nl=False)


@certificate.command()
@click.argument("chain", metavar="CERT", type=click.Path(path_type=Path))
@click.argument("key", required=False, type=click.Path(path_type=Path))
@common_options
@click.pass_context
def install(context: click.Context, chain: Path, key: Path | None) -> None:
    """Install a certificate from PEM files.

    CERT has the certificate first and then those of its issuers; KEY is its key, by default the one in CERT, or else
    the one that `kvmd certificate csr` was for.
    """
    from kvmd.access import certificate as store  # noqa: PLC0415  # as in show

    folder = _own_folder(context)
    store.install(folder, _read(chain), _read(key) if key else None)
    _print(*store.in_force(folder))


def _where(context: click.Context) -> tuple[Path, tuple[Path, Path] | None]:
    """Return the state folder, and the files that the settings name, if they do."""
    settings = read_settings(context)
    return Path(settings.auth.file).parent, settings.web.own_certificate


def _own_folder(context: click.Context) -> Path:
    """Return the state folder.

    :raises RequestError: what is in there is not what the daemon serves
    """
    folder, named = _where(context)
    if named:
        raise RequestError(
            f"web.certificate is set, and the daemon serves {named[0]}: put the new one there, which it takes without "
            "a restart; or take web.certificate out of kvmd.toml"
        )
    return folder


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"{path}: cannot be read: {error.strerror}") from error


def _print(path: Path, identity: Identity) -> None:
    from kvmd.access import pki  # noqa: PLC0415  # as in show

    facts = pki.report(identity)
    click.echo(f"subject:  {facts.subject}")
    click.echo(f"names:    {', '.join(facts.names)}")
    click.echo(f"issuer:   {'itself' if facts.self_signed else facts.issuer}")
    for each in facts.chain:
        click.echo(f"chain:    {each}")
    click.echo(f"valid:    {facts.not_before:%Y-%m-%d} to {facts.not_after:%Y-%m-%d}")
    click.echo(f"SHA-256:  {facts.sha256}")
    click.echo(f"file:     {path}")
