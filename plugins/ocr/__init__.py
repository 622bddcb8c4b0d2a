"""The text on the target's screen, read by Tesseract where that is installed: ``/api/ocr``; see docs/ocr.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from kvmd import Done, KvmApi, NoSignal, Service, Unsupported, UserRole, endpoint, hookimpl, needs

from .picture import Region, cut
from .tesseract import Tesseract

if TYPE_CHECKING:
    import flask

PATIENCE = 3.0
"""Seconds to wait for a picture."""

TESSERACT = Tesseract()
"""One for the machine: what reads has a core to itself, and there may not be another."""


class Order(Region, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/ocr: which part of the picture, as parts of its width and height; all where none is given.

    :param languages: Tesseract's names for them, such as ``eng`` or ``eng+deu``
    """

    languages: Annotated[str, Meta(max_length=100)] = "eng"


class Text(msgspec.Struct, frozen=True):
    """What was read.

    :param text: line by line
    """

    text: str


class Offer(msgspec.Struct, frozen=True):
    """What can be read.

    :param available: whether text can be read at all
    :param languages: those that are installed
    :param reason: why not, and the way out; None where it is available
    """

    available: bool
    languages: list[str]
    reason: str | None


def _blueprint(kvm: KvmApi) -> flask.Blueprint:
    from flask import Blueprint  # noqa: PLC0415  # the command line needs none

    blueprint = Blueprint("ocr", __name__)

    @blueprint.get("/api/ocr")
    @endpoint()
    def show() -> Done[Offer]:
        """Tell whether text on the screen can be read, and in which languages."""
        try:
            return Done("ocr success", Offer(True, TESSERACT.languages(), None))
        except Unsupported as error:
            return Done("ocr success", Offer(False, [], str(error)))

    @blueprint.post("/api/ocr")
    @needs(UserRole.VIEWER)  # who sees the picture could read it as well
    @endpoint(fails=(409,))
    def read(body: Order) -> Done[Text]:
        """Read the text on the screen, or on a part of it."""
        TESSERACT.check(body.languages)
        picture = kvm.video.snapshot(PATIENCE)
        if picture is None:
            raise NoSignal("there is no picture to read; the status says why")
        part = cut(bytes(picture.data), body)
        return Done("ocr success", Text(TESSERACT.read(part, body.languages, whole=body.is_whole)))

    return blueprint


@hookimpl
def kvmd_blueprints(kvm: KvmApi) -> Iterable[flask.Blueprint]:
    """Offer ``/api/ocr``."""
    return [_blueprint(kvm)]


@hookimpl
def kvmd_services() -> Iterable[Service]:
    """Have what reads ended with the daemon."""
    return [TESSERACT]
