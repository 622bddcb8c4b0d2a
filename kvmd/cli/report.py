"""``kvmd report``: what a bug report needs, in one file, without secrets."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

import click
import msgspec

import kvmd
from kvmd.cli.common import common_options, load_registry, make_kvm, read_settings
from kvmd.cli.daemon import ask
from kvmd.cli.doctor import diagnose, in_words
from kvmd.cli.settings import in_force
from kvmd.contract.settings import Settings
from kvmd.doctor.redaction import Redaction, known_secrets
from kvmd.errors import ConfigError, KvmdError
from kvmd.system.config import options_of
from kvmd.system.files import write_private

PATIENCE = 20.0
"""Seconds for each program that is asked."""

FILES = ("/etc/os-release", "/proc/modules", "/proc/cmdline", "/boot/firmware/config.txt", "/boot/config.txt")
"""What the system and its firmware are set to."""
RULES = "*kvmd*.rules"

JOURNAL = ("journalctl", "--no-pager", "--no-hostname", "--output=short-iso")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@common_options
@click.pass_context
def report(context: click.Context, file: Path | None) -> None:
    """Pack what a bug report needs into FILE: findings, status, settings, versions, logs.

    Without secrets; README.txt in it says what was taken out and what was not. FILE is readable by you alone; by
    default it is kvmd-report-TIME.tar.gz in this folder. With sudo there is more in it.
    """
    from kvmd.doctor.bundle import pack  # noqa: PLC0415  # tarfile is slow to import

    name = f"kvmd-report-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    path = (file or Path(f"{name}.tar.gz")).absolute()
    texts = {each: (what, _made(make)) for each, (what, make) in _sources(context).items()}
    try:
        write_private(path, pack(name, texts, _redaction(context)))
    except OSError as error:
        raise KvmdError(f"{path}: cannot be written: {error.strerror}") from error
    click.echo(f"{path}: attach it to the bug report; README.txt in it says what it holds")


def _sources(context: click.Context) -> dict[str, tuple[str, Callable[[], str]]]:
    """List the files of a report: what each is, and how it is made."""
    return {
        "doctor.txt": ("what kvmd doctor found", lambda: "\n".join(in_words(diagnose(context)))),
        "status.json": ("how the daemon stands", lambda: _asked(context, "/api/status")),
        "devices.json": ("what is plugged in", lambda: _json(load_registry().devices())),
        "config.txt": ("the settings in force", lambda: "\n".join(in_force(context))),
        "drivers.txt": ("drivers and plug-ins", _plugins),
        "versions.txt": ("versions of kvmd, Python, its packages, and the kernel", _versions),
        "journal.txt": ("the log of kvmd", partial(_run, *JOURNAL, "-n", "5000", "-u", "kvmd", "-u", "kvmd-gadget")),
        "log.txt": ("the newest lines of that log, as the daemon has them", lambda: "\n".join(_log(context))),
        "kernel.txt": ("the kernel's log since the boot", partial(_run, *JOURNAL, "-n", "2000", "-k", "-b")),
        "system.txt": ("settings of the system and its firmware, udev rules", _files),
    }


def _made(make: Callable[[], str]) -> str:
    """Make a text; one that cannot be made says why, and the others are made nevertheless."""
    try:
        return make()
    except (KvmdError, OSError, subprocess.SubprocessError) as error:
        return f"not there: {error}"


def _asked(context: click.Context, path: str) -> str:
    return _json(ask(read_settings(context), "GET", path)["data"])


def _log(context: click.Context) -> Iterator[str]:
    for line in ask(read_settings(context), "GET", "/api/log")["data"]:
        yield f"{line['at']} {line['level']} {line['logger']}: {line['message']}"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def _plugins() -> str:
    registry = load_registry()
    lines = [f"{driver.name}: {driver.__module__}" for driver in registry.drivers]
    return "\n".join([*lines, *(f"{each.name}: cannot be used: {each.reason}" for each in registry.broken)])


def _versions() -> str:
    packages = sorted({f"{each.name} {each.version}" for each in distributions()})
    return "\n".join(
        [f"kvmd {kvmd.__version__}", f"Python {platform.python_version()}", platform.platform(), *packages]
    )


def _run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603  # fixed words
    return (ran.stdout + ran.stderr).decode(errors="replace")


def _files() -> str:
    from kvmd.doctor.checks.rules import in_force as rules  # noqa: PLC0415  # as in kvmd doctor
    from kvmd.doctor.machine import Machine  # noqa: PLC0415

    paths = [*(path for path in map(Path, FILES) if path.exists()), *rules(Machine(), RULES)]
    return "\n".join(f"## {path}\n{path.read_text(errors='replace')}" for path in paths)


def _redaction(context: click.Context) -> Redaction:
    """Make what knows the secrets of this machine, as far as they may be read."""
    drivers = load_registry().drivers
    declared = {option.key for driver in drivers for option in options_of(driver.Options) if option.secret}
    settings = Settings()
    try:
        settings = read_settings(context)
        roles = [given for given, _ in make_kvm(context).roles.values()]
    except ConfigError:
        roles = [settings.capture, settings.hid, settings.power]
    return Redaction(known_secrets(settings, roles, declared))
