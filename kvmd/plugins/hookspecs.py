"""Every hook a plug-in can answer: the public contract, beside the driver classes.

A plug-in is a Python package with an entry point in the group ``kvmd``; the module it names implements any of these
with ``@kvmd.hookimpl``. docs/plugins.md shows each; a test keeps the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import msgspec
import pluggy

from kvmd.contract.board import Board
from kvmd.contract.capture import Frame
from kvmd.contract.driver import BaseDriver
from kvmd.contract.hid import MouseEvent
from kvmd.contract.power import PowerButton
from kvmd.contract.settings import Settings

if TYPE_CHECKING:
    import click
    import flask

PROJECT = "kvmd"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

T = TypeVar("T")


class Event(msgspec.Struct, frozen=True):
    """Something happened.

    :param role: ``capture``, ``hid`` or ``power``
    :param state: the role's new state, as in the status: ``online``, ``lost`` …; of power also what the target does,
        ``on``, ``off``, ``sleeping``, and ``pressed``, for a button that was
    :param reason: why, in words
    """

    role: str
    state: str
    reason: str


class VideoApi(Protocol):
    """What a plug-in may ask of video; docs/api.md has the members of the status."""

    def status(self) -> msgspec.Struct:
        """Tell how capture stands."""

    def snapshot(self, timeout: float) -> Frame | None:
        """Return a picture taken after this call; None if there is none within ``timeout`` seconds."""


class InputApi(Protocol):
    """What a plug-in may do with keyboard and mouse, as a client with a name of its own.

    Each raises ``RequestError`` for what makes no sense, ``Unsupported`` for what the hardware lacks, ``Taken`` where
    somebody else has the keyboard, and ``DriverError`` for what was not taken. A client whose name begins with
    ``local:`` is at the machine itself, and types whoever has the keyboard.
    """

    def status(self) -> msgspec.Struct:
        """Tell how HID stands."""

    def tap(self, client: str, codes: Sequence[str]) -> None:
        """Press keys together and release them, by their KeyboardEvent.code names."""

    def press(self, client: str, codes: Sequence[str]) -> None:
        """Hold keys."""

    def release(self, client: str, codes: Sequence[str]) -> None:
        """Let go of keys."""

    def release_all(self, client: str) -> None:
        """Let go of all keys of a client."""

    def point(self, client: str, event: MouseEvent) -> None:
        """Use the mouse."""

    def stay(self, client: str) -> None:
        """Note that a client is there still, and not to be taken for silent."""

    def leave(self, client: str) -> None:
        """Release what a client holds that has gone."""


class PowerApi(Protocol):
    """What a plug-in may do with the target's power; each returns what was done, in words, once it is."""

    def status(self) -> msgspec.Struct:
        """Tell how power stands."""

    def on(self) -> str:
        """Switch the target on, unless its lamp says that it is."""

    def off(self) -> str:
        """Ask the target to shut down, unless its lamp says that it is off."""

    def force_off(self) -> str:
        """Cut the target's power with a long press, unless its lamp says that it is off."""

    def reset(self) -> str:
        """Press the reset button, unless the lamp says that the target is off."""

    def press(self, button: PowerButton, seconds: float) -> str:
        """Press a button, whatever the lamp says."""


class KvmApi(Protocol):
    """The KVM, as a plug-in is given it."""

    @property
    def settings(self) -> Settings:
        """What is set."""

    @property
    def video(self) -> VideoApi:
        """The screen."""

    @property
    def input(self) -> InputApi:
        """Keyboard and mouse."""

    @property
    def power(self) -> PowerApi:
        """The power button and the lamps."""

    def plugin_settings(self, name: str, shape: type[T]) -> T:
        """Return the settings of a plug-in, the table ``[plugins.NAME]``, as a struct of its own.

        :param name: the plug-in's, which is its entry point's
        :raises ConfigError: a key or a value is wrong
        """

    def status(self) -> msgspec.Struct:
        """Tell how everything stands."""


@runtime_checkable
class Service(Protocol):
    """Something that runs beside the daemon, in threads of its own."""

    def start(self) -> None:
        """Begin, and return within 10 s; called when the KVM runs."""

    def stop(self) -> None:
        """End, and return once it has; called while the KVM still runs."""


@hookspec
def kvmd_drivers() -> Iterable[type[BaseDriver]]:  # type: ignore[empty-body]  # a hook's specification has no body
    """Name the drivers of this plug-in.

    :return: driver classes; they are made only when their device is used
    """


@hookspec
def kvmd_boards() -> Iterable[Board]:  # type: ignore[empty-body]
    """Name the boards of this plug-in.

    :return: board definitions; those of /etc/kvmd/boards.d/ go before them
    """


@hookspec
def kvmd_blueprints(kvm: KvmApi) -> Iterable[flask.Blueprint]:  # type: ignore[empty-body]
    """Add pages or endpoints to the web server; they need a login like all others.

    :param kvm: the KVM, not yet running; it is when a view is called
    :return: Flask blueprints
    """


@hookspec
def kvmd_services(kvm: KvmApi) -> Iterable[Service]:  # type: ignore[empty-body]
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
    """Judge a login, before kvmd looks into its own file; within 5 s, and possibly in several threads at once.

    Where it raises, or does not come back, nobody is let in.

    :param user: the user name as it was given
    :param password: the password as it was given
    :return: whether it is right; None to leave it to others
    """


@hookspec
def kvmd_event(event: Event) -> None:
    """Learn that something happened; called in a thread of the plug-in's own, in the order of events.

    :param event: what happened
    """
