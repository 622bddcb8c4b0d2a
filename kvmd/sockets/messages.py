"""Every message of the socket, as structs; docs/socket.md says what they mean."""

from __future__ import annotations

import enum
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from kvmd.contract.hid import MouseEvent
from kvmd.errors import RequestError
from kvmd.front.websocket import TEXT, frame
from kvmd.input.text import TextWish
from kvmd.power.wish import Wish
from kvmd.system.clock import now
from kvmd.system.decoding import decode_json
from kvmd.video.rendition import Quality

VERSION = 1
"""Of the protocol."""

Id = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""What every JSON reader can hold."""


class Said(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What all messages from a client may have.

    :param id: repeated by the answer
    :param at: when it was meant, in milliseconds of the daemon's clock
    """

    id: Id | None = None
    at: float | None = None


class Press(Said, frozen=True, tag="press"):
    """Hold keys."""

    keys: list[str]


class Release(Said, frozen=True, tag="release"):
    """Let go of keys."""

    keys: list[str]


class Tap(Said, frozen=True, tag="tap"):
    """Press keys together, then release them."""

    keys: list[str]


class ReleaseAll(Said, frozen=True, tag="release_all"):
    """Let go of everything."""


class Point(MouseEvent, frozen=True, tag_field="type", tag="mouse", kw_only=True):
    """Use the mouse."""

    id: Id | None = None
    at: float | None = None

    @property
    def event(self) -> MouseEvent:
        """What the mouse is to do."""
        return MouseEvent(**{name: getattr(self, name) for name in MouseEvent.__struct_fields__})

    @property
    def is_move(self) -> bool:
        """Whether it does nothing but move the pointer."""
        others = (self.buttons, self.click, self.double_click, self.wheel, self.hwheel)
        return not any(others) and self.buttons is None and (self.is_absolute != self.is_relative)


class Take(Said, frozen=True, tag="take"):
    """Have the keyboard, and the mouse with it: nobody else types."""


class Give(Said, frozen=True, tag="give"):
    """Let another have the keyboard.

    :param to: the number of a socket; None: all type
    """

    to: int | None = None


class Power(Wish, frozen=True, tag_field="type", tag="power", kw_only=True):
    """Press the target's buttons."""

    id: Id | None = None
    at: float | None = None


class Text(TextWish, frozen=True, tag_field="type", tag="text", kw_only=True):
    """Type a text."""

    id: Id | None = None
    at: float | None = None


class CancelText(Said, frozen=True, tag="cancel_text"):
    """Stop what is being typed."""


class Ping(Said, frozen=True, tag="ping"):
    """Ask for a sign of life."""


class Pictures(Said, frozen=True, tag="pictures"):
    """Begin, change or end the pictures."""

    on: bool
    fps: Annotated[float, Meta(ge=0.1, le=120)] | None = None
    quality: Quality = Quality.HIGH


class Seen(Said, frozen=True, tag="seen"):
    """Confirm a picture."""

    number: int


Input = Press | Release | Tap | ReleaseAll | Point
Turns = Take | Give
Message = Input | Turns | Power | Text | CancelText | Ping | Pictures | Seen
MESSAGES = (Press, Release, Tap, ReleaseAll, Point, Take, Give, Power, Text, CancelText, Ping, Pictures, Seen)


class Why(enum.Enum):
    """Why something is refused."""

    MALFORMED = "malformed"
    LATE = "late"
    EARLY = "early"
    DENIED = "denied"
    FULL = "full"
    UNSUPPORTED = "unsupported"
    BUSY = "busy"
    TAKEN = "taken"
    CANCELLED = "cancelled"
    OFFLINE = "offline"
    FAILED = "failed"


class News(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What all messages to a client have.

    :param now: the daemon's clock, in milliseconds
    """

    now: float = msgspec.field(default_factory=now)

    def frame(self) -> bytes:
        """Return it as it is sent."""
        return frame(TEXT, msgspec.json.encode(self))


class Bounds(msgspec.Struct, frozen=True):
    """What a client has to know.

    :param late: milliseconds after which nothing is done any more
    :param silent: milliseconds of silence after which nothing is held any more
    :param message: bytes of one
    """

    late: float
    silent: float
    message: int


class Hello(News, frozen=True, tag="hello"):
    """Who is greeted."""

    version: int
    number: int
    who: str
    role: str
    bounds: Bounds


class StatusNews(News, frozen=True, tag="status"):
    """Members of the status that have changed; at first all."""

    status: dict[str, msgspec.Raw]


class EventNews(News, frozen=True, tag="event"):
    """Something happened."""

    role: str
    state: str
    reason: str


class Client(msgspec.Struct, frozen=True):
    """Somebody who has a socket."""

    number: int
    who: str
    role: str
    typing: bool
    watching: bool


class Clients(News, frozen=True, tag="clients"):
    """All who have one.

    :param keyboard: the number of who has the keyboard; None: it is free, and all type
    :param typists: who types by requests, without a socket
    """

    clients: list[Client]
    keyboard: int | None = None
    typists: list[str] = []


class Done(News, frozen=True, tag="done"):
    """It is done."""

    id: int
    info: str


class Refused(News, frozen=True, tag="refused"):
    """It was not done."""

    id: int | None
    what: str
    reason: Why
    info: str


class Typed(News, frozen=True, tag="typed"):
    """How far a text of this socket is."""

    id: int | None
    typed: int
    length: int


class Pong(News, frozen=True, tag="pong"):
    """A sign of life."""

    id: int | None


class Released(News, frozen=True, tag="released"):
    """What was held was let go."""

    reason: str


class Ended(News, frozen=True, tag="ended"):
    """The connection is about to be closed."""

    code: int
    reason: str


NEWS = (Hello, StatusNews, EventNews, Clients, Done, Refused, Typed, Pong, Released, Ended)


def type_of(message: Message) -> str:
    """Return the type that a message names."""
    return str(message.__struct_config__.tag)


class Unreadable(RequestError):
    """A message that makes no sense, with what can be read of it all the same."""

    def __init__(self, info: str, id: int | None, what: str) -> None:  # noqa: A002  # as the message has it
        super().__init__(info)
        self.id = id
        self.what = what


class _Outline(msgspec.Struct):
    type: str = ""
    id: Id | None = None


def read(data: bytes) -> Message:
    """Read a message.

    :raises Unreadable: it is none
    """
    try:
        return cast("Message", decode_json(data, cast("type[Any]", Message)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        try:
            outline = decode_json(data, _Outline)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            outline = _Outline()
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Unreadable(problem.replace("`", '"').replace("$", "message"), outline.id, outline.type[:64]) from error
