"""The EDID that the source sees: shown, set, edited and cleared."""

from __future__ import annotations

import threading

import msgspec
from flask import Blueprint, g

from kvmd import edid
from kvmd.access.grant import UserRole
from kvmd.access.needs import needs
from kvmd.contract.endpoint import Done, endpoint
from kvmd.errors import RequestError
from kvmd.kvm import Kvm


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to edit in the EDID that is in force; see ``edid.edit``."""

    name: str | None = None
    serial: int | str | None = None
    preferred: str | None = None


class EdidOrder(msgspec.Struct, frozen=True):
    """The body of PUT /api/edid; exactly one member is given, and ``mend`` beside ``hex``.

    :param hex: a whole EDID
    :param profile: the name of one that kvmd ships
    :param edit: changes to the one that is in force
    :param clear: show none
    :param mend: set the sums of ``hex`` right
    """

    hex: str | None = None
    profile: str | None = None
    edit: Changes | None = None
    clear: bool | None = None
    mend: bool = False


class Profile(msgspec.Struct, frozen=True):
    """An EDID that kvmd ships, to be named in ``profile``.

    :param preferred: its preferred mode
    :param modes: all of its modes
    """

    name: str
    preferred: str | None
    modes: list[str]


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("edid", __name__)
    lock = threading.Lock()

    @blueprint.get("/api/edid")
    @endpoint(fails=(409,))
    def show() -> Done[edid.Report]:
        """Show the EDID that the source sees."""
        return Done("edid success", edid.report(kvm.video.edid()))

    @blueprint.get("/api/edid/profiles")
    @endpoint()
    def profiles() -> Done[list[Profile]]:
        """List the EDIDs that kvmd ships."""
        return Done("edid profiles success", [_profile(name) for name in edid.profiles()])

    @blueprint.put("/api/edid")
    @needs(UserRole.ADMIN)
    @endpoint(fails=(409,))
    def change(body: EdidOrder) -> Done[edid.Report]:
        """Show the source another EDID."""
        with lock:  # an edit builds on what is in force
            kvm.video.set_edid(_make(body, kvm))
            kvm.audit.note("edid", g.grant.who, g.grant.address, "showed the source another EDID")
            return Done("edid success", edid.report(kvm.video.edid()))

    return blueprint


def _profile(name: str) -> Profile:
    decoded = edid.decode(edid.profile(name))
    preferred = decoded.preferred.name if decoded.preferred else None
    return Profile(name, preferred, list(dict.fromkeys(mode.name for mode in decoded.modes)))


def _make(wanted: EdidOrder, kvm: Kvm) -> bytes:
    given = (wanted.hex, wanted.profile, wanted.edit, wanted.clear)
    if sum(value is not None for value in given) != 1 or wanted.clear is False:
        raise RequestError("exactly one is needed of: hex, profile, edit, clear (true)")
    if wanted.mend and wanted.hex is None:
        raise RequestError("mend goes with hex alone: the sums of all others are right")
    if wanted.hex is not None:
        data = edid.read(wanted.hex.encode())
        return edid.mend(data) if wanted.mend else data
    if wanted.profile is not None:
        return edid.profile(wanted.profile)
    return b"" if wanted.edit is None else _edited(kvm.video.edid(), wanted.edit)


def _edited(data: bytes, changes: Changes) -> bytes:
    if changes == Changes():
        raise RequestError("edit needs one or more of: name, serial, preferred")
    if not data:
        raise RequestError("the source sees no EDID that could be edited; set one first")
    return edid.edit(data, name=changes.name, serial=changes.serial, preferred=changes.preferred)
