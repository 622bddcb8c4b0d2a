"""``kvmd udev-rules``: what makes plugging in start the daemon."""

from __future__ import annotations

import click

from kvmd.cli.common import common_options, load_registry
from kvmd.errors import KvmdError
from kvmd.plugins.udev_rules import udev_rules
from kvmd.system import udev

INSTALLED = """\
{rules}: {drivers}
{state}; plugging one of these in starts kvmd where it is enabled: systemctl enable kvmd
one that runs already has to learn of new drivers: systemctl restart kvmd"""

NOTHING = "no other package has a driver that a device leads to: there is nothing to install"


@click.command("udev-rules")
@click.option("--install", "wish", flag_value="install", help=f"Write those of other packages to {udev.RULES}.")
@click.option("--remove", "wish", flag_value="remove", help="Take them away again.")
@common_options
def rules(wish: str | None) -> None:
    """Print the udev rules of all drivers, or install those that other packages bring.

    Then a device of another package's driver starts kvmd, too, and kvmd may open it. Run this again after each such
    package that comes or goes.
    """
    if wish == "install":
        _install()
    elif wish == "remove":
        _remove()
    else:
        drivers = load_registry().drivers
        click.echo(udev_rules(match for driver in drivers for match in driver.matches), nl=False)


def _install() -> None:
    """Install the rules of strangers' drivers.

    :raises KvmdError: it cannot be done, or not for all of them
    """
    registry = load_registry()
    bundled = load_registry(bundled_only=True).drivers
    found = [driver for driver in registry.drivers if driver.matches and driver not in bundled]
    if found:
        runs = udev.replace_rules(udev_rules(match for driver in found for match in driver.matches))
        state = "udev knows them" if runs else "udev does not run here, and will know them when it does"
        click.echo(INSTALLED.format(rules=udev.RULES, drivers=", ".join(driver.name for driver in found), state=state))
    else:
        click.echo(NOTHING)
        if udev.RULES.exists():
            _remove()
    if registry.broken:
        names = ", ".join(broken.name for broken in registry.broken)
        raise KvmdError(f"nothing is installed for {names}, which cannot be used: kvmd drivers says why")


def _remove() -> None:
    if not udev.RULES.exists():
        click.echo(f"{udev.RULES} is not there")
        return
    udev.replace_rules("")
    click.echo(f"{udev.RULES} is removed: what it was for starts nothing any more")
