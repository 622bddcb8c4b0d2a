"""Somebody else's screen and keyboard, over HTTP."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote

from kvmd.client.address import parse
from kvmd.client.connection import Connections, Trust
from kvmd.client.errors import ClientError, NoPicture
from kvmd.client.session import Session, read
from kvmd.client.stream import Picture, Pictures
from kvmd.contract.hid import Button, MouseEvent
from kvmd.contract.power import PowerButton
from kvmd.contract.reports import DeviceReport, LabelsReport, LayoutsReport, PowerReport, Status, TextReport
from kvmd.edid import Report as EdidReport

T = TypeVar("T")

PRESS = 25.0
"""Seconds that a press of a power button may take beyond the usual time."""
STROKE = 0.1
"""Seconds that a character may take beyond its delays."""


class Client:
    """A daemon, as whoever scripts it sees it.

    It logs in by itself at the first request, and once more where its session has ended meanwhile; what was refused
    with 401 was not carried out. Requests of several threads go side by side, each on a connection of its own; all of
    them are one client to the daemon, so the keys that one thread holds another can release. Proxies of the environment
    (``http_proxy``) are not asked.

    :param url: ``http://HOST``, ``https://HOST`` or ``unix:PATH``; user and password may stand in it
    :param user: whose ``password`` it is
    :param code: a one-time code, where the user needs one, or what gives one: with a code alone, it logs in once
    :param key: an API key, in place of user and password
    :param ca: a file of PEM with who may have signed the daemon's certificate
    :param fingerprint: the SHA-256 of the daemon's certificate, as ``kvmd certificate show`` prints it
    :param verify: False: any certificate will do, and whoever is in between can read all
    :param timeout: seconds for each step of a request: connecting, sending, the next bytes of the answer
    :raises ClientError: one of these cannot be used
    """

    def __init__(  # noqa: PLR0913  # all but the first are given by name
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        code: str | Callable[[], str] = "",
        key: str = "",
        ca: str = "",
        fingerprint: str = "",
        verify: bool = True,
        timeout: float = 10.0,
    ) -> None:
        address = parse(url)
        self._where = str(address)
        self._connections = Connections(address, Trust(ca, fingerprint, verify), timeout)
        self._session = Session(
            self._connections,
            user=user or address.user,
            password=password or address.password,
            code=code,
            key=key,
        )

    def __repr__(self) -> str:
        return f"<Client {self._where}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ClientError):
            self.logout()
        self.close()

    def login(self) -> None:
        """Log in now, rather than at the first request.

        :raises Refused: user, password or code is wrong (401), or there were too many wrong ones (429)
        """
        self._session.log_in()

    def logout(self) -> None:
        """End the session that this client began, if it did, and release what it holds."""
        self._session.log_out()

    def close(self) -> None:
        """Close the connections; a session goes on."""
        self._connections.close()

    def tap(self, *keys: str) -> None:
        """Press keys together and release them, by their KeyboardEvent.code names: ``tap("ControlLeft", "KeyC")``."""
        self._do("/api/keyboard", {"keycodes": keys})

    def press(self, *keys: str) -> None:
        """Hold keys; the daemon releases them where this client is silent for ``hid.hold_timeout``."""
        self._do("/api/keyboard", {"press": keys})

    def release(self, *keys: str) -> None:
        """Let go of keys."""
        self._do("/api/keyboard", {"release": keys})

    def release_all(self) -> None:
        """Let go of all keys that this client holds."""
        self._do("/api/keyboard", {"release_all": True})

    def type_text(self, text: str, layout: str | None = None, delay: float = 10.0) -> TextReport:
        """Type a text, and return once the target has taken all of it; a client that is gone stops.

        :param layout: what the target is set to, as ``layouts()`` names it; the daemon's ``hid.layout`` if not given
        :param delay: milliseconds from one key to the next
        :raises Refused: some characters cannot be typed, and none was (400), another text is typed, or it was cancelled
            (409), or the target took no more, and how far it got (503)
        """
        wanted = {"text": text, "delay": delay, **({} if layout is None else {"layout": layout})}
        longer = len(text) * (2 * delay / 1000 + STROKE)
        return read(self._session.ask("POST", "/api/text", wanted, longer=longer), TextReport)[1]

    def text_status(self) -> TextReport:
        """Tell how far the text is that is being typed, or how the last one ended."""
        return self._get("/api/text", TextReport)

    def cancel_text(self) -> TextReport:
        """Stop the text that is being typed, whoever began it."""
        return read(self._session.ask("DELETE", "/api/text"), TextReport)[1]

    def layouts(self) -> LayoutsReport:
        """List the keyboard layouts for text."""
        return self._get("/api/layouts", LayoutsReport)

    def layout(self, name: str) -> LabelsReport:
        """Tell what the keys of a layout type, as it is printed on them."""
        return self._get(f"/api/layouts/{quote(name)}", LabelsReport)

    @contextmanager
    def holding(self, *keys: str, renewal: float = 2.0) -> Iterator[None]:
        """Hold keys for as long as the ``with`` lasts, from a thread of its own that presses them again and again.

        :param renewal: seconds between two presses; less than the daemon's ``hid.hold_timeout``
        :raises ClientError: they could not be held all the time
        """
        ended = threading.Event()
        failed: list[ClientError] = []

        def renew() -> None:
            while not (ended.wait(renewal) or failed):
                try:
                    self.press(*keys)
                except ClientError as error:
                    failed.append(error)

        self.press(*keys)
        thread = threading.Thread(target=renew, name="kvmd-client-hold", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.release(*keys)
        if failed:
            raise failed[0]

    def mouse(self, event: MouseEvent) -> None:
        """Do all that an event says, in its order."""
        self._do("/api/mouse", event)

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a place of the screen: 0, 0 is the top left corner, 1, 1 the bottom right one."""
        self.mouse(MouseEvent(x=x, y=y))

    def move_by(self, dx: int, dy: int) -> None:
        """Move the mouse by so many counts, to the right and down."""
        self.mouse(MouseEvent(dx=dx, dy=dy))

    def click(self, button: str = "left", *, double: bool = False) -> None:
        """Press a button and release it: ``left``, ``right``, ``middle``, ``back`` or ``forward``."""
        which = Button(button)
        self.mouse(MouseEvent(double_click=which) if double else MouseEvent(click=which))

    def hold_buttons(self, *buttons: str) -> None:
        """Hold these buttons and no others."""
        self.mouse(MouseEvent(buttons=[Button(button) for button in buttons]))

    def wheel(self, steps: int, *, sideways: bool = False) -> None:
        """Turn the wheel: positive is away from the user, or to the right."""
        self.mouse(MouseEvent(hwheel=steps) if sideways else MouseEvent(wheel=steps))

    def picture(self, wait: float = 3.0) -> bytes:
        """Return a JPEG of the screen, taken after this call.

        :param wait: seconds for which the daemon waits for one, 60 at most
        :raises NoPicture: there is none
        """
        answer = self._session.ask("GET", f"/snapshot?timeout={wait:g}", longer=wait)
        if answer.headers.get_content_type() != "image/jpeg":
            read(answer, object)
        if answer.code != 200:
            raise NoPicture("there is no picture: status() and the slate say why", answer.code, answer.body)
        return answer.body

    def stream(self, fps: float | None = None, timeout: float = 10.0) -> Generator[Picture, None, None]:
        """Return the pictures of the video as they come, the newest each time; those in between are left out.

        Its connection ends with the iterator, by ``close()`` or as nobody has it any more. It goes on while there is no
        signal, with pictures that say so.

        :param fps: pictures a second at most
        :param timeout: seconds within which each has to be there whole; an unchanged one comes once a second, too
        :raises StreamEnded: the daemon sends no more, with its reason
        :raises Unreachable: one did not come in time
        """
        opened = self._session.open("/stream" if fps is None else f"/stream?fps={fps:g}")
        with contextlib.closing(opened):
            yield from Pictures(opened, timeout).read()

    def status(self) -> Status:
        """Tell how everything stands."""
        return self._get("/api/status", Status)

    def devices(self) -> list[DeviceReport]:
        """List what is plugged in at the daemon's machine."""
        return self._get("/api/devices", list[DeviceReport])

    def power(self) -> PowerReport:
        """Tell how the target's power stands."""
        return self._get("/api/power", PowerReport)

    def power_on(self) -> str:
        """Switch the target on, and return in words what was done, as all of these do."""
        return self._act("on")

    def power_off(self) -> str:
        """Ask the target to shut down."""
        return self._act("off")

    def force_off(self) -> str:
        """Cut the target's power with a long press."""
        return self._act("force_off")

    def reset(self) -> str:
        """Press the reset button."""
        return self._act("reset")

    def press_button(self, button: str = "power", seconds: float | None = None) -> str:
        """Press a button on the target's front, ``power`` or ``reset``.

        :param seconds: 0.1 to 20; a short press where it is not given
        """
        return self._act("press", button=PowerButton(button).value, **({} if seconds is None else {"seconds": seconds}))

    def edid(self) -> EdidReport:
        """Show the EDID that the source sees."""
        return self._get("/api/edid", EdidReport)

    def set_edid(self, data: bytes) -> EdidReport:
        """Show the source another EDID; empty: none."""
        wanted = {"hex": data.hex()} if data else {"clear": True}
        return read(self._session.ask("PUT", "/api/edid", wanted), EdidReport)[1]

    def _do(self, path: str, wanted: object) -> None:
        read(self._session.ask("POST", path, wanted), object)

    def _act(self, action: str, **more: object) -> str:
        wanted = {"action": action, **more}
        return read(self._session.ask("POST", "/api/power", wanted, longer=PRESS), PowerReport)[0]

    def _get(self, path: str, shape: type[T]) -> T:
        return read(self._session.ask("GET", path), shape)[1]
