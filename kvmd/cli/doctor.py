"""``kvmd doctor``: what is wrong with this machine as a KVM, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kvmd.cli.common import common_options, json_option, load_registry, make_kvm, print_json, read_settings, source_name
from kvmd.cli.daemon import ask, process
from kvmd.contract.reports import Status
from kvmd.contract.settings import Settings
from kvmd.doctor.case import Daemon, Known, gather
from kvmd.doctor.findings import Diagnosis
from kvmd.errors import ConfigError, KvmdError
from kvmd.system.decoding import to_struct


@click.command()
@json_option
@common_options
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Find out what is wrong with this machine as a KVM, and how to mend it.

    It works whether the daemon runs or not. Without sudo it sees less, and says what it could not see. What each
    finding means: docs/doctor.md.

    Exit codes: 0 nothing is wrong, 1 warnings, 2 faults.
    """
    diagnosis = diagnose(context)
    if as_json:
        print_json(diagnosis)
    else:
        click.echo("\n".join(in_words(diagnosis)))
    context.exit(diagnosis.exit_code)


def diagnose(context: click.Context) -> Diagnosis:
    """Look at this machine."""
    from kvmd.doctor.examination import examine  # noqa: PLC0415  # slow to import: certificates need cryptography

    known, problem, hidden = _known(context)
    return examine(gather(known, _daemon(known.settings), source_name(context), problem, hidden))


def in_words(diagnosis: Diagnosis) -> Iterator[str]:
    """Write a diagnosis for people, a line at a time."""
    for each in diagnosis.findings:
        yield from (f"{each.severity.value}: {each.what}", f"    why it matters: {each.why}")
        yield from (f"    what to do: {each.mend}", "")
    for unseen in diagnosis.unseen:
        yield f"not looked at: {unseen.what}: {unseen.why}"
    if not diagnosis.findings:
        yield "nothing wrong was found"


def _known(context: click.Context) -> tuple[Known, str, str]:
    """Return what kvmd knows of itself, what is wrong with the settings, and why they may not be read.

    With either of these it is as much as is known without them.
    """
    settings = Settings()
    try:
        settings = read_settings(context)
        kvm = make_kvm(context)
    except ConfigError as error:
        known, is_hidden = Known(settings, load_registry()), isinstance(error.__cause__, PermissionError)
        return (known, "", str(error)) if is_hidden else (known, str(error), "")
    return Known(kvm.settings, kvm.registry, kvm.roles, kvm.choices), "", ""


def _daemon(settings: Settings) -> Daemon:
    """Ask the daemon how it stands."""
    try:
        status = to_struct(ask(settings, "GET", "/api/status")["data"], Status)
    except KvmdError as error:
        is_hidden = isinstance(error.__cause__, PermissionError)
        return Daemon(hidden=str(error)) if is_hidden else Daemon(silence=str(error))
    return Daemon(status, pid=process(settings), edid=_edid(settings))


def _edid(settings: Settings) -> bytes | None:
    try:
        return bytes.fromhex(ask(settings, "GET", "/api/edid")["data"]["hex"])
    except KvmdError:  # the driver in use has none, or no device is there
        return None
