"""An LCUS relay board at the other end of a serial line, as far as its sellers describe it."""

from typing import Any

BAUD = 9600
START = 0xA0
SIZE = 4
CHANNELS = range(1, 9)


class Lcus:
    """The board: eight relays, which are open when it gets power. It says nothing."""

    def __init__(self) -> None:
        self.closed: set[int] = set()
        self.log: list[tuple[int, bool]] = []
        """Every time a relay moved: which, and whether it closed."""
        self.misunderstood = b""
        self._baud = float(BAUD)
        self._received = b""

    def tune(self, baud: float) -> None:
        """See Line."""
        self._baud = baud

    def read(self) -> bytes:
        """See Line."""
        return b""

    def write(self, data: bytes) -> None:
        """Obey each whole command; at another speed nothing makes sense."""
        if abs(self._baud / BAUD - 1) > 0.025:
            self.misunderstood += data
            return
        self._received += data
        while len(self._received) >= SIZE:
            frame = self._received[:SIZE]
            if _is_command(frame):
                self._switch(frame[1], bool(frame[2]))
                self._received = self._received[SIZE:]
            else:
                self.misunderstood += frame[:1]
                self._received = self._received[1:]

    def obey(self, command: str, **_rest: Any) -> None:
        """See Line."""
        raise ValueError(f"no such command: {command}")

    def state(self) -> dict[str, Any]:
        """Tell which relays are closed, how they moved, and what was no command."""
        return {"closed": sorted(self.closed), "log": self.log, "misunderstood": self.misunderstood.hex()}

    def close(self) -> None:
        """See Line."""

    def _switch(self, channel: int, closed: bool) -> None:
        if closed != (channel in self.closed):
            self.closed ^= {channel}
            self.log.append((channel, closed))


def _is_command(frame: bytes) -> bool:
    start, channel, state, checksum = frame
    return start == START and channel in CHANNELS and state in {0, 1} and sum(frame[:3]) & 0xFF == checksum
