"""The command line."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

import kvmd
from kvmd import board, config
from kvmd.board import Board, BoardChoice, Facts
from kvmd.config import Settings
from kvmd.credentials import USER, Credentials, check_password
from kvmd.errors import AuthError, ConfigError, DriverError, KvmdError
from kvmd.hookspecs import Driver
from kvmd.registry import Broken, Registry
from kvmd.udev_rules import udev_rules

if TYPE_CHECKING:
    from kvmd.kvm import Kvm

EXIT_CODES: dict[type[Exception], int] = {ConfigError: 3, DriverError: 4, AuthError: 5}
"""1 is any other failure, 2 a command line that makes no sense."""

DEMO = """\
a virtual computer, for trying things out: nothing but this machine can reach it

  page   http://127.0.0.1:{port}
  video  http://127.0.0.1:{video_port}/stream
  login  admin / admin (allowed here alone)

log in, press a key, save a picture of the screen:

  curl -s -c kvmd.cookies http://127.0.0.1:{port}/login_api -d '{{"username": "admin", "password": "admin"}}'
  curl -s -b kvmd.cookies http://127.0.0.1:{port}/keyboard -d '{{"keycodes": ["KeyA"]}}'
  curl -s -b kvmd.cookies http://127.0.0.1:{video_port}/snapshot -o snapshot.jpg

Ctrl+C ends it."""

Command = Callable[..., Any]


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep an option that may stand before or after the command's name."""
    if value is not None:
        context.ensure_object(dict)[parameter.name] = value


def common_options(command: Command) -> Command:
    """Add the options that every command of the daemon takes."""
    for option in (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_remember,
            help=f"The settings file.  [default: {config.DEFAULT_PATH}]",
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            expose_value=False,
            callback=_remember,
            help="How much to log to stderr.  [default: info]",
        ),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kvmd.__version__, prog_name="kvmd")
@common_options
def cli() -> None:
    """See a computer's screen and press its keys over the network.

    Exit codes: 0 done, 1 failed, 2 the command line makes no sense, 3 the settings cannot be used, 4 a device or its
    driver cannot be used, 5 not allowed.
    """


@cli.command()
@common_options
@click.pass_context
def serve(context: click.Context) -> None:
    """Run the daemon until SIGTERM or Ctrl+C."""
    _set_log_level()
    from kvmd.daemon import run  # noqa: PLC0415  # the web server and the encoder are slow to import

    path = _config_path(context)
    settings = config.load(path)
    source = _source(path)
    run(settings, _registry(), source, (f"set web.listen in {source}", f"set web.video_listen in {source}"))


@cli.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Of the page and the API.")
@click.option("--video-port", default=8008, show_default=True, type=click.IntRange(1, 65535), help="Of the video.")
@common_options
def demo(port: int, video_port: int) -> None:
    """Run with a virtual computer, reachable from this machine alone."""
    from kvmd.daemon import run  # noqa: PLC0415  # as in serve

    _set_log_level()
    with tempfile.TemporaryDirectory(prefix="kvmd-demo-") as folder:
        settings = Settings(
            capture=config.CaptureSettings(driver="virtual"),
            hid=config.HidSettings(driver="virtual"),
            web=config.WebSettings([f"127.0.0.1:{port}"], [f"127.0.0.1:{video_port}"]),
            auth=config.AuthSettings(file=f"{folder}/auth.json"),
        )
        Credentials(Path(settings.auth.file)).set_password(USER, "admin")
        text = DEMO.format(port=port, video_port=video_port)
        ways_out = ("give another --port", "give another --video-port")
        run(settings, _registry(), "demo", ways_out, lambda: click.echo(text))


@cli.command()
@json_option
@common_options
@click.pass_context
def devices(context: click.Context, as_json: bool) -> None:
    """List what is plugged in, which drivers are for it, and which of them fill the roles now."""
    found = _registry().devices()
    if as_json:
        roles = {role: choice.report() for role, choice in _kvm(context).choices.items()}
        _print_json({"devices": found, "roles": roles})
        return
    for device in found:
        drivers = ", ".join(device.drivers) or "none"
        details = ", ".join(filter(None, (device.usb_id, device.serial, device.path)))
        click.echo(f"{device.label}  [{details or device.subsystem}]  drivers: {drivers}")
    if not found:
        click.echo("nothing is plugged in that a driver is for")
    click.echo()
    for role, choice in _kvm(context).choices.items():
        report = choice.report()
        device_name = f" on {report.device}" if report.device else ""
        click.echo(f"{role}: {report.problem or f'{report.driver}{device_name}'}")


@cli.command()
@click.argument("name", required=False)
@click.option("--udev-rules", "rules", is_flag=True, help="Print the udev rules for all drivers.")
@json_option
@common_options
def drivers(name: str | None, rules: bool, as_json: bool) -> None:
    """List the drivers, or show the options of the one named NAME."""
    registry = _registry()
    found = [driver for driver in registry.drivers if name in (None, driver.name)]
    if name and not found:
        names = ", ".join(sorted({driver.name for driver in registry.drivers}))
        raise ConfigError(f'there is no driver "{name}"; there are: {names}')
    if rules:
        click.echo(udev_rules(match for driver in found for match in driver.matches), nl=False)
    elif as_json:
        _print_json({"drivers": [_describe(driver) for driver in found], "broken": registry.broken})
    else:
        for driver in found:
            click.echo(_in_words(driver, with_options=bool(name)))
        _print_broken(registry)


@cli.command()
@json_option
@common_options
@click.pass_context
def boards(context: click.Context, as_json: bool) -> None:
    """List the boards, and say which one this is and why."""
    path, registry = _config_path(context), _registry()
    own, problems = board.survey_boards(board.FOLDER)
    offered = registry.boards()
    known = list(board.catalogue(own, offered).values())
    if not as_json:
        _print_boards(known, problems.values(), registry)
    facts = board.read_facts()
    choice = board.choose_board(config.load(path).board, own, offered, facts, _source(path))
    if not as_json:
        _print_choice(choice, facts, _source(path))
        return
    name = choice.board.name if choice.board else None
    broken = [Broken(str(file), str(error).removeprefix(f"{file}: ")) for file, error in problems.items()]
    answer = {"board": name, "why": choice.why, "alike": choice.alike, "facts": facts}
    _print_json({**answer, "boards": known, "broken": [*registry.broken, *broken]})


@cli.command("config")
@json_option
@common_options
@click.pass_context
def show_config(context: click.Context, as_json: bool) -> None:
    """Show the settings in force, and where each comes from."""
    path = _config_path(context)
    kvm = _kvm(context)
    rows = {
        option.key: (config.value_of(kvm.settings, option), config.source_of(path, option))
        for option in config.options_of(Settings)
    }
    for role, (chosen, source) in kvm.roles.items():
        if source != _source(path):
            rows |= {f"{role}.driver": (chosen.driver, source), f"{role}.options": (chosen.options, source)}
    if as_json:
        _print_json({key: {"value": value, "source": source} for key, (value, source) in rows.items()})
        return
    for key, (value, source) in rows.items():
        click.echo(f"{key} = {config.toml_value(value)}  # {source}")


@cli.command()
@click.argument("user", default=USER)
@click.option("--stdin", "piped", is_flag=True, help="Read the password from standard input instead of asking.")
@common_options
@click.pass_context
def passwd(context: click.Context, user: str, piped: bool) -> None:
    """Set the password of USER (default: admin)."""
    credentials = _credentials(context)
    if piped:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt(f"New password for {user}", hide_input=True, confirmation_prompt=True)
    check_password(password)
    credentials.set_password(user, password)
    click.echo(f"the password of {user} is set")


@cli.group()
def apikey() -> None:
    """Make, list and remove API keys, which programs send instead of a login."""


@apikey.command("add")
@click.argument("name")
@json_option
@common_options
@click.pass_context
def apikey_add(context: click.Context, name: str, as_json: bool) -> None:
    """Make an API key named NAME and show it, this once."""
    key = _credentials(context).add_key(name)
    if as_json:
        _print_json({"name": name, "key": key})
    else:
        click.echo(f"{key}\n\nkeep it: it is not shown again; send it as: Authorization: Bearer {key}")


@apikey.command("list")
@json_option
@common_options
@click.pass_context
def apikey_list(context: click.Context, as_json: bool) -> None:
    """List the API keys."""
    keys = _credentials(context).read().keys
    if as_json:
        _print_json([{"name": name, "created": key.created} for name, key in keys.items()])
    for name, key in {} if as_json else keys.items():
        click.echo(f"{name}  made {key.created:%Y-%m-%d %H:%M} UTC")


@apikey.command("remove")
@click.argument("name")
@common_options
@click.pass_context
def apikey_remove(context: click.Context, name: str) -> None:
    """End the API key named NAME."""
    _credentials(context).remove_key(name)
    click.echo(f"the API key {name} is removed")


@cache
def _registry() -> Registry:
    return Registry()


def main() -> None:
    """Run the command line; what goes wrong is one line on stderr and an exit code."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        for command in _registry().commands():
            cli.add_command(command)
        cli(prog_name="kvmd")
    except KvmdError as error:
        click.echo(f"kvmd: {error}", err=True)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))


def _config_path(context: click.Context) -> Path | None:
    path: Path | None = context.ensure_object(dict).get("config")
    return path


def _source(path: Path | None) -> str:
    return str(path or config.DEFAULT_PATH)


def _kvm(context: click.Context) -> Kvm:
    """Make the KVM of the settings, which does nothing until it is started."""
    from kvmd.kvm import Kvm  # noqa: PLC0415  # as in serve

    path = _config_path(context)
    return Kvm(config.load(path), _registry(), _source(path))


def _set_log_level() -> None:
    level = click.get_current_context().ensure_object(dict).get("log_level", "info")
    logging.getLogger().setLevel(level.upper())


def _credentials(context: click.Context) -> Credentials:
    return Credentials(Path(config.load(_config_path(context)).auth.file))


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)))


def _print_broken(registry: Registry) -> None:
    for broken in registry.broken:
        click.echo(f"{broken.name}  cannot be loaded: {broken.reason}", err=True)


def _print_boards(boards: Iterable[Board], problems: Iterable[ConfigError], registry: Registry) -> None:
    for each in boards:
        click.echo(_board_in_words(each))
    _print_broken(registry)
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
    for role, settings in (("capture", each.capture), ("hid", each.hid)):
        options = f" {config.toml_value(settings.options)}" if settings.options else ""
        lines.append(f"  {role}: {settings.driver}{options}")
    return "\n".join(lines)


def _role(driver: Driver) -> str:
    return "capture" if issubclass(driver, kvmd.CaptureDriver) else "hid"


def _summary(driver: Driver) -> str:
    return (driver.__doc__ or "").strip().partition("\n")[0]


def _describe(driver: Driver) -> dict[str, object]:
    return {
        "name": driver.name,
        "role": _role(driver),
        "summary": _summary(driver),
        "problem": driver.problem(),
        "matches": list(driver.matches),
        "options": list(config.options_of(driver.Options)),
    }


def _in_words(driver: Driver, with_options: bool) -> str:
    lines = [f"{driver.name}  [{_role(driver)}]  {_summary(driver)}"]
    if problem := driver.problem():
        lines.append(f"  cannot be used here: {problem}")
    if not driver.matches:
        lines.append(f'  no device leads to it: it has to be named, as in {_role(driver)}.driver = "{driver.name}"')
    if with_options:
        for option in config.options_of(driver.Options):
            lines += [f"  {option.key} = {config.toml_value(option.default)}", f"      {option.type}: {option.help}"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
