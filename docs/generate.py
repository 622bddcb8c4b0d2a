"""Make what is made from the code: settings, hooks, contract; tables of options, boards, endpoints, findings; rules.

``python -m docs.generate`` writes them; tests/test_docs.py checks that there is nothing to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from docs import endpoints, faults, findings, hooks, reference
from kvmd.contract.board import Board, in_words
from kvmd.contract.driver import BaseDriver
from kvmd.contract.roles import ROLES, role_of
from kvmd.contract.settings import RoleSettings, Settings
from kvmd.plugins.registry import Registry
from kvmd.plugins.udev_rules import udev_rules
from kvmd.system.config import markdown_table, options_of, toml_value
from kvmd_plugins.boards import kvmd_boards
from kvmd_plugins.local_input import LocalInputSettings

ROOT = Path(__file__).parents[1]
PLUGINS = {"local_input": LocalInputSettings}
"""The bundled plug-ins that have settings; their pages have their names."""

INTRODUCTION = """\
# Settings

kvmd reads `/etc/kvmd/kvmd.toml`, or the file given with `--config`. Nothing has to be set: without a file, or with an
empty one, every setting has its default. A setting that is unknown or cannot be used keeps kvmd from starting, with one
line that names the file, the key, what was given and what is accepted. A plug-in's table may hold a secret, so the file
belongs to root and the group kvmd, and nobody else reads it (0640).

`kvmd config` shows the settings in force and where each comes from; `kvmd drivers NAME` shows a driver's options.

```toml
board = "auto"                           # or a board's name
[capture]
driver = "auto"                          # or a driver's name
options = { device = "/dev/video0" }     # an explicit device works without udev knowing it
[hid]
driver = "auto"
options = {}
[power]
driver = "gpio"                          # what is wired cannot be recognised
options = { power_button = "GPIO23", power_lamp = "GPIO24" }
[web]
listen = ["[::]:80"]
video_listen = ["[::]:8008"]
tls_listen = ["[::]:443"]                # see below for the certificate
[auth]
open = []                                # e.g. ["stream", "snapshot"]
```

Without `web.certificate` the daemon makes a certificate for itself at its first start, which browsers ask about until
it is trusted there, or until `kvmd certificate install` puts another one in its place; a change is seen within seconds.
What to set behind a proxy, [proxies](proxies.md) says.

With `driver = "auto"` and no options, a [board](boards.md) that is recognised or named says which driver fills the
role. Else the drivers that have the options given are asked, and the best match among what is plugged in is taken.
"""


PLUGIN_TABLES = """\
A [plug-in](plugins.md#settings) that has settings has a table of its own, named like its entry point. Of the bundled
ones:

| plug-in | |
|---|---|"""


def bundled_drivers() -> list[type[BaseDriver]]:
    """List the drivers of this repository, without those of other packages that happen to be installed."""
    return [driver for driver in Registry().drivers if driver.__module__.split(".")[0] == "kvmd_drivers"]


def page_of(driver: type[BaseDriver]) -> Path:
    """Return the page of a driver, which has its name."""
    return _page(driver.name)


def outputs() -> dict[Path, str]:
    """Return every file that is made, with what it should hold."""
    drivers = bundled_drivers()
    pages = {page_of(driver): _with_options(page_of(driver), drivers) for driver in drivers}
    pages |= {page: _between_markers(page, "options", _table(PLUGINS[page.stem])) for page in map(_page, PLUGINS)}
    rules = udev_rules(match for driver in drivers for match in driver.matches)
    made = {ROOT / "docs/configuration.md": configuration(), ROOT / "etc/70-kvmd.rules": rules}
    made |= {ROOT / "docs/hooks.md": hooks.page()}
    made |= {ROOT / "docs/contract" / name: text for name, text in reference.pages().items()}
    boards, api, testing, doctor = (ROOT / f"docs/{name}.md" for name in ("boards", "api", "testing", "doctor"))
    tables = {
        boards: _between_markers(boards, "boards", _boards_table()),
        api: _between_markers(api, "endpoints", endpoints.table()),
        testing: _between_markers(testing, "faults", faults.table()),
        doctor: _between_markers(doctor, "findings", findings.tables()),
    }
    return {**made, **pages, **tables}


def markers(what: str) -> tuple[str, str]:
    """Return the lines of a page between which a table stands."""
    return f"<!-- {what} -->", f"<!-- /{what} -->"


def configuration() -> str:
    """Write the page about the settings."""
    sections = [field for field in msgspec.structs.fields(Settings) if isinstance(field.type, type)]
    parts = [
        INTRODUCTION,
        f"{markdown_table([o for o in options_of(Settings) if '.' not in o.key and o.key != 'plugins'])}\n",
    ]
    for field in sections:
        parts += [f"## [{field.name}]\n", f"{field.type.__doc__}\n", _table(field.type, f"{field.name}.")]
    rows = [f"| [{name}]({name}.md) | {_first_line(shape)} |" for name, shape in PLUGINS.items()]
    parts += ["## [plugins.NAME]\n", PLUGIN_TABLES, *rows, ""]
    return "\n".join(parts)


def _with_options(page: Path, drivers: Iterable[type[BaseDriver]]) -> str:
    """Put the options of all drivers of the page's name between the page's markers."""
    tables = {_role(driver): _table(driver.Options) for driver in drivers if page_of(driver) == page}
    alike = len(set(tables.values())) == 1
    body = next(iter(tables.values())) if alike else "\n".join(f"{role}:\n\n{tables[role]}" for role in tables)
    return _between_markers(page, "options", body)


def _between_markers(page: Path, what: str, body: str) -> str:
    begin, end = markers(what)
    text = page.read_text()
    if begin not in text:
        raise SystemExit(f"{page}: a line {begin} is needed, where the table of {what} is to stand")
    return re.sub(rf"{begin}(\n.*?{end})?", lambda _: f"{begin}\n\n{body}\n{end}", text, count=1, flags=re.DOTALL)


def _boards_table() -> str:
    rows = [f"| `{board.name}` | {board.title} | {_how_known(board)} | {_roles_of(board)} |" for board in kvmd_boards()]
    titles = " | ".join(role.title for role in ROLES)
    return "\n".join([f"| name | board | how it is known | {titles} |", "|---" * (3 + len(ROLES)) + "|", *rows, ""])


def _roles_of(board: Board) -> str:
    return " | ".join(_filled(role.on(board)) for role in ROLES)


def _how_known(board: Board) -> str:
    given = board.known_by.given()
    if not given:
        return "has to be named"
    return f"{'has to be named, looks like ' * board.by_name}`{in_words(given)}`"


def _filled(role: RoleSettings) -> str:
    return f"`{role.driver} {toml_value(role.options)}`" if role.options else f"`{role.driver}`"


def _page(name: str) -> Path:
    return ROOT / f"docs/{name}.md"


def _first_line(shape: type) -> str:
    return (shape.__doc__ or "").partition("\n")[0]


def _role(driver: type[BaseDriver]) -> str:
    role = role_of(driver)
    return role.title if role else ""


def _table(shape: type, prefix: str = "") -> str:
    options = list(options_of(shape, prefix))
    return f"{markdown_table(options)}\n" if options else "None.\n"


def main() -> None:
    """Write the files."""
    for path, text in outputs().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
