"""Text becomes key strokes, and these are typed, one text at a time, until the end or the first that is not taken."""

from __future__ import annotations

import contextlib
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from kvmd.contract.hid import Leds
from kvmd.contract.reports import TextReport, TextState
from kvmd.errors import Busy, Cancelled, DriverError, KvmdError, RequestError, Taken, Unsupported
from kvmd.input import layout
from kvmd.input.keyboard import Keyboard
from kvmd.input.layout import Chord, Chords, Layout

LONGEST = 50_000
"""Characters of a text."""
SLOWEST = 1000
"""Milliseconds from one key to the next, at most."""
NAMED = 20
"""Characters that are named where they cannot be typed; more are counted."""
NEWS = 0.25
"""Seconds between two reports of how far it is."""
CAPS_HELD = 0.15
"""Seconds for which Caps Lock is pressed: macOS takes less for a mistake."""
CAPS_LIMIT = 2.0
CAPS_PACE = 0.05
"""Seconds for the target to put the lamp out, and between two looks at it."""

CLIENT = "text"
"""Who holds the keys, for the keyboard."""


class TextWish(msgspec.Struct, frozen=True):
    """What is to be typed, and how.

    :param text: at most 50,000 characters; line ends are Enter, tabs are Tab
    :param layout: what the target is set to, as ``GET /api/layouts`` names it; ``hid.layout`` where none is given
    :param delay: milliseconds from one key to the next, at least
    """

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST)]
    layout: str | None = None
    delay: Annotated[float, Meta(ge=0, le=SLOWEST)] = 10.0


class Job:
    """A text that can be typed.

    :param strokes: what types each of its characters
    :param delay: seconds from one key to the next
    """

    def __init__(self, layout: str, strokes: Sequence[Chords], delay: float) -> None:
        self.strokes = strokes
        self.delay = delay
        self.typed = 0
        """Characters that the host has taken."""
        self.report = TextReport(TextState.TYPING, 0, len(strokes), layout, "")
        self._stopped = threading.Event()
        self._why = ""

    def cancel(self, why: str) -> None:
        """Stop after the character that is being typed; for any thread."""
        if not self._stopped.is_set():
            self._why = why
            self._stopped.set()

    def pause(self) -> None:
        """Wait for a half of the delay, or until it is cancelled."""
        if self.delay:
            self._stopped.wait(self.delay / 2)

    def check(self) -> None:
        """See whether to go on.

        :raises Cancelled: no
        """
        if self._stopped.is_set():
            raise Cancelled(self._why)

    def note(self, state: TextState, reason: str = "") -> TextReport:
        """Note how it stands, and return that."""
        self.report = msgspec.structs.replace(self.report, state=state, typed=self.typed, reason=reason)
        return self.report

    @property
    def how_far(self) -> str:
        """How far it got, in words."""
        return f"{self.typed} of {len(self.strokes)} characters were typed"


class Text:
    """Types texts with the keyboard that all share; while it does, nobody else presses a key.

    :param leds: tells how the target's lock lamps are; None where that cannot be known
    :param default: the layout where none is named
    """

    def __init__(self, keyboard: Keyboard, leds: Callable[[], Leds | None], default: str) -> None:
        self.default = default
        self._keyboard = keyboard
        self._leds = leds
        self._turn = threading.Lock()
        self._job: Job | None = None

    def prepare(self, wish: TextWish) -> Job:
        """Find the keys for a text; nothing is typed yet.

        :raises RequestError: there is no such layout, or characters cannot be typed with it; all are named
        """
        found = layout.load(wish.layout or self.default)
        return Job(found.name, strokes_of(wish.text, found), wish.delay / 1000)

    def require_turn(self) -> None:
        """See whether a text could be typed now.

        :raises Busy: another one is
        """
        if self._turn.locked():
            raise self._busy()

    def type(
        self,
        job: Job,
        client: str,
        why_stop: Callable[[], str | None] = lambda: None,
        told: Callable[[TextReport], None] = lambda _: None,
    ) -> TextReport:
        """Type a text, and return once the host has taken all of it.

        :param client: who asks; lets go of the keys that it holds itself
        :param why_stop: asked a few times a second why not to go on
        :param told: learns how far it is, as often
        :raises Busy: another text is typed, or somebody holds a key
        :raises Taken: somebody else has the keyboard, or has taken it; the message says how far it got
        :raises Cancelled: it was cancelled
        :raises Unsupported: Caps Lock is on, and stays so
        :raises DriverError: the host took no more; the message says how far it got
        """
        if not self._turn.acquire(blocking=False):
            raise self._busy()
        try:
            self._job = job
            with self._noted(job), self._keyboard.alone(CLIENT, client), self._without_caps():
                self._type(job, why_stop, told)
            told(job.note(TextState.DONE))
            return job.report
        finally:
            self._turn.release()

    def cancel(self, why: str) -> bool:
        """Stop what is being typed, after its character; tell whether anything was."""
        job = self._job if self._turn.locked() else None
        if job:
            job.cancel(why)
        return job is not None

    def status(self) -> TextReport:
        """Tell how far it is, or how the last one ended."""
        job = self._job
        if job is None:
            return TextReport(TextState.IDLE, 0, 0, self.default, "nothing was typed yet")
        report = job.report
        return msgspec.structs.replace(report, typed=job.typed) if report.state is TextState.TYPING else report

    @contextmanager
    def _noted(self, job: Job) -> Iterator[None]:
        """Have an error say how far it got."""
        try:
            yield
        except Cancelled as error:
            raise Cancelled(job.note(TextState.CANCELLED, f"{job.how_far}: {error}").reason) from error
        except Taken as error:
            raise Taken(job.note(TextState.CANCELLED, f"{job.how_far}: {error}").reason) from error
        except DriverError as error:
            raise DriverError(job.note(TextState.FAILED, f"{job.how_far}: {error}").reason) from error
        except KvmdError as error:
            job.note(TextState.FAILED, str(error))
            raise
        except Exception:
            job.note(TextState.FAILED, "the daemon failed; its log says why")
            raise

    def _type(self, job: Job, why_stop: Callable[[], str | None], told: Callable[[TextReport], None]) -> None:
        held: tuple[str, ...] = ()
        looked = -NEWS
        for chords in job.strokes:
            if time.monotonic() - looked > NEWS:
                looked = time.monotonic()
                told(job.note(TextState.TYPING))
                if why := why_stop():
                    job.cancel(why)
            job.check()
            for number, chord in enumerate(chords, 1):
                held = self._stroke(chord, held, job, last=number == len(chords))

    def _stroke(self, chord: Chord, held: tuple[str, ...], job: Job, *, last: bool) -> tuple[str, ...]:
        """Press a key and release it; what is held with it goes down before, and stays down for the next one.

        Firmware that looks at its keyboard now and then needs a key to be down as long as it is up.

        :param held: what is held already
        :param last: whether it is the last one of its character
        """
        hold = partial(self._keyboard.hold, CLIENT)
        if chord.held != held:
            for count in range(1, len(chord.held)):
                hold(chord.held[:count])
            hold(chord.held)
        hold((*chord.held, chord.key))
        job.typed += last
        job.pause()
        hold(chord.held)
        job.pause()
        return chord.held

    @contextmanager
    def _without_caps(self) -> Iterator[None]:
        """Have Caps Lock off.

        What it does beside letters is a matter of the layout and of the system, so Shift cannot make up for it.
        """
        if not self._caps():
            yield
            return
        self._press_caps()
        try:
            self._await_caps_off()
            yield
        finally:
            with contextlib.suppress(DriverError, Taken):
                self._press_caps()

    def _press_caps(self) -> None:
        self._keyboard.hold(CLIENT, ["CapsLock"])
        time.sleep(CAPS_HELD)
        self._keyboard.hold(CLIENT, [])

    def _await_caps_off(self) -> None:
        deadline = time.monotonic() + CAPS_LIMIT
        while self._caps():
            if time.monotonic() > deadline:
                raise Unsupported("Caps Lock is on at the target, and pressing it does not change that; switch it off")
            time.sleep(CAPS_PACE)

    def _caps(self) -> bool:
        leds = self._leds()
        return leds is not None and leds.caps

    def _busy(self) -> Busy:
        report, job = self.status(), self._job
        left = (report.length - report.typed) * (job.delay if job else 0)
        far = f"{report.typed} of {report.length} characters"
        return Busy(f"a text is being typed, {far}; cancel it, or wait", left + 1)


def strokes_of(text: str, layout: Layout) -> list[Chords]:
    """Return what types each character of a text, composed (NFC) and with its line ends as one character.

    :raises RequestError: some cannot be typed
    """
    characters = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    if unknown := [each for each in dict.fromkeys(characters) if each not in layout.chords]:
        raise RequestError(f'the layout "{layout.name}" cannot type {_named(unknown)}; nothing was typed')
    return [layout.chords[each] for each in characters]


def _named(characters: Sequence[str]) -> str:
    more = f", and {len(characters) - NAMED} more" if len(characters) > NAMED else ""
    return ", ".join(map(_name, characters[:NAMED])) + more


def _name(character: str) -> str:
    """Name a character, such as ``€ (U+20AC EURO SIGN)``."""
    name = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
    return f"{character} ({name})" if character.isprintable() and not character.isspace() else name
