"""Every hook a plug-in can answer: the public contract, beside the driver classes.

A plug-in is a Python package with an entry point in the group ``kvmd``; the module it names implements any of these
with ``@kvmd.hookimpl``. docs/plugins.md shows each; a test keeps the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import msgspec
import pluggy

from kvmd.board import Board
from kvmd.capture import CaptureDriver
from kvmd.hid import HidDriver

if TYPE_CHECKING:
    import click
    import flask

    from kvmd.kvm import Kvm

PROJECT = "kvmd"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Driver = type[CaptureDriver] | type[HidDriver]


class Event(msgspec.Struct, frozen=True):
    """Something happened.

    :param role: ``capture`` or ``hid``
    :param state: the slot's new state, as in the status: ``online``, ``lost`` …
    :param reason: why, in words
    """

    role: str
    state: str
    reason: str


class Service(Protocol):
    """Something that runs beside the daemon, in threads of its own."""

    def start(self) -> None:
        """Begin, and return at once; called when the KVM runs."""

    def stop(self) -> None:
        """End, and return once it has; called while the KVM still runs."""


@hookspec
def kvmd_drivers() -> Iterable[Driver]:  # type: ignore[empty-body]  # a hook's specification has no body
    """Name the drivers of this plug-in.

    :return: driver classes; they are made only when their device is used
    """


@hookspec
def kvmd_boards() -> Iterable[Board]:  # type: ignore[empty-body]
    """Name the boards of this plug-in.

    :return: board definitions; those of /etc/kvmd/boards.d/ go before them
    """


@hookspec
def kvmd_blueprints(kvm: Kvm) -> Iterable[flask.Blueprint]:  # type: ignore[empty-body]
    """Add pages or endpoints to the web server; they need a login like all others.

    :param kvm: the running KVM
    :return: Flask blueprints
    """


@hookspec
def kvmd_services(kvm: Kvm) -> Iterable[Service]:  # type: ignore[empty-body]
    """Run something beside the daemon.

    :param kvm: the KVM, not yet running
    :return: what is started after the KVM and stopped before it
    """


@hookspec
def kvmd_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Add commands to the ``kvmd`` command line.

    :return: click commands or groups
    """


@hookspec(firstresult=True)
def kvmd_verify_password(user: str, password: str) -> bool | None:
    """Judge a login, before kvmd looks into its own file.

    :param user: the user name as it was given
    :param password: the password as it was given
    :return: whether it is right; None to leave it to others
    """


@hookspec
def kvmd_event(event: Event) -> None:
    """Learn that something happened; called from the thread where it did, so do not block.

    :param event: what happened
    """
