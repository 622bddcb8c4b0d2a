"""Pictures to viewers over real sockets: whole, recent, and nobody waits for anybody."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from types import SimpleNamespace

import pytest

from kvmd.contract.capture import Frame, PixelFormat
from kvmd.video import broadcast, viewers
from kvmd.video.broadcast import Broadcaster, Rate
from kvmd.video.forms import BOUNDARY, to_part
from kvmd.video.viewers import Viewers
from tests.loop import Loop
from tests.shadow import shadow
from tests.waiting import eventually, patience

LARGE = 400_000
"""Bytes of a picture that does not fit into what the kernel buffers, several of which a slow viewer gets stuck on."""


def picture(sequence: int, size: int = 1000, timestamp: float | None = None) -> Frame:
    return frame((b"picture %d " % sequence).ljust(size, b"."), sequence, timestamp)


def frame(data: bytes, sequence: int = 0, timestamp: float | None = None) -> Frame:
    return Frame(data, PixelFormat.MJPEG, 4, 4, 0, time.monotonic() if timestamp is None else timestamp, sequence)


class Viewer:
    """The far end of a connection on which the answer's head was sent: reads parts, as a browser does."""

    def __init__(
        self,
        loop: Loop,
        crowd: Viewers,
        fps: float | None = None,
        buffer: int | None = None,
        why_not: Callable[[], str | None] = lambda: None,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.sock = socket.socket()
            if buffer:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.sock.connect(listener.getsockname())
            far, _ = listener.accept()
        if buffer:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.sock.settimeout(patience())
        self.file = self.sock.makefile("rb")
        self.near = viewers.Viewer(crowd, fps, why_not)
        loop.connect(far, self.near)

    def part(self) -> tuple[Message, bytes]:
        """Read a part: headers and body, up to the boundary that follows."""
        headers = self._headers()
        body = self.file.read(int(headers["Content-Length"]))
        assert self.file.readline() == b"\r\n"
        assert self.file.readline() == b"--%s\r\n" % BOUNDARY.encode()
        return headers, body

    def sequence(self) -> int:
        """Read a part and tell which picture it is, by its header and by its body alike."""
        headers, body = self.part()
        number = int(headers["X-Sequence"])
        assert body.startswith(b"picture %d " % number)
        assert body.rstrip(b".") == b"picture %d " % number
        return number

    def until(self, number: int) -> list[int]:
        """Read until this picture, and list all that came."""
        numbers = [self.sequence()]
        while numbers[-1] != number:
            numbers.append(self.sequence())
        return numbers

    def begin(self) -> None:
        """Read what comes before the first part."""
        assert self.file.readline() == b"--%s\r\n" % BOUNDARY.encode()

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def _headers(self) -> Message:
        lines = []
        while (line := self.file.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        return message_from_bytes(b"".join(lines))


@pytest.fixture
def broadcaster() -> Iterator[Broadcaster]:
    broadcaster = Broadcaster()
    yield broadcaster
    broadcaster.stop()


@pytest.fixture
def watch(loop: Loop, broadcaster: Broadcaster) -> Iterator[Callable[..., Viewer]]:
    """Join as a viewer."""
    crowd = Viewers(broadcaster, lambda why: to_part(frame(why.encode()), 0.0))
    made = []

    def join(
        fps: float | None = None, buffer: int | None = None, why_not: Callable[[], str | None] = lambda: None
    ) -> Viewer:
        made.append(Viewer(loop, crowd, fps, buffer, why_not))
        made[-1].begin()
        return made[-1]

    yield join
    for viewer in made:
        viewer.close()
    eventually(lambda: not broadcaster.viewers, "the viewers' leaving")


def test_a_part_tells_its_length_time_and_number(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    viewer = watch()
    broadcaster.publish(picture(42, timestamp=time.monotonic() - 100))
    headers, body = viewer.part()
    assert headers["Content-Type"] == "image/jpeg"
    assert int(headers["Content-Length"]) == len(body) == 1000
    assert headers["X-Sequence"] == "42"
    assert float(headers["X-Timestamp"]) == pytest.approx(time.time() - 100, abs=patience()), "of the wall clock"


def test_every_picture_comes_in_order(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    viewer = watch()
    for number in range(20):
        broadcaster.publish(picture(number))
        assert viewer.sequence() == number


def test_a_viewer_that_does_not_read_skips_whole_pictures_and_holds_up_nobody(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    slow, fast = watch(buffer=8192), watch()
    for number in range(60):
        broadcaster.publish(picture(number, LARGE))
        assert fast.sequence() == number
    numbers = slow.until(59)
    assert numbers == sorted(set(numbers)), "no picture twice, none out of order"
    assert len(numbers) < 10, "what it missed is left out, not queued"
    broadcaster.publish(picture(60, LARGE))
    assert slow.sequence() == 60


def test_the_rate_can_be_limited(
    loop: Loop, broadcaster: Broadcaster, watch: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    for module in (broadcast, viewers):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    limited, free = watch(fps=10), watch()
    seen = []
    for number in range(90):
        clock.now = 1000 + number / 30
        broadcaster.publish(picture(number, timestamp=clock.now))
        assert free.sequence() == number
        loop.settle()
    broadcaster.stop()
    while (headers := limited._headers()) and headers["X-Sequence"]:
        seen.append(int(headers["X-Sequence"]))
        limited.file.read(int(headers["Content-Length"]) + len(BOUNDARY) + 6)
    assert len(seen) == pytest.approx(30, abs=2), seen
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 4, "evenly"


def test_a_viewer_with_a_limit_gets_the_last_picture_though_no_other_comes(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    limited = watch(fps=5)
    for number in range(3):
        broadcaster.publish(picture(number))
    assert limited.until(2)[-1] == 2


def test_a_viewer_gets_the_newest_picture_when_it_joins(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    first = watch()
    broadcaster.publish(picture(1))
    assert first.sequence() == 1
    assert watch().sequence() == 1


def test_a_viewer_never_gets_a_picture_from_before_anybody_watched(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    broadcaster.publish(picture(1))
    viewer = watch()
    broadcaster.publish(picture(2))
    assert viewer.sequence() == 2


def test_a_viewer_never_gets_the_last_picture_of_those_who_left(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    first = watch()
    broadcaster.publish(picture(1))
    first.sequence()
    first.close()
    eventually(lambda: not broadcaster.watched, "nobody watching")
    # What was in work when the last one left comes now.
    broadcaster.publish(picture(2))
    later = watch()
    broadcaster.publish(picture(3))
    assert later.sequence() == 3


def test_a_viewer_never_gets_the_picture_of_a_snapshot_before(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    threading.Timer(0.05, lambda: broadcaster.publish(picture(1))).start()
    fresh = broadcaster.wait_fresh(patience())
    assert fresh is not None
    assert fresh.sequence == 1
    viewer = watch()
    broadcaster.publish(picture(2))
    assert viewer.sequence() == 2


def test_slates_go_to_viewers_and_to_those_who_join(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    before = watch()
    broadcaster.publish(picture(1))
    assert before.sequence() == 1
    broadcaster.publish(picture(0), live=False)
    assert before.sequence() == 0
    before.close()
    eventually(lambda: not broadcaster.watched, "nobody watching")
    after = watch()
    assert after.sequence() == 0, "a slate stays true while nobody looks"
    broadcaster.clear()
    broadcaster.publish(picture(2))
    assert after.until(2)[-1] == 2, "live again on the same connection"


def test_after_clear_a_viewer_waits_for_the_next_picture(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    first = watch()
    broadcaster.publish(picture(0), live=False)
    assert first.sequence() == 0
    broadcaster.clear()
    second = watch()
    broadcaster.publish(picture(1))
    assert second.sequence() == 1


def test_an_unchanged_picture_is_sent_again_once_in_a_while(
    broadcaster: Broadcaster, watch: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broadcast.REFRESH == 1.0
    monkeypatch.setattr(broadcast, "REFRESH", 0.3)
    monkeypatch.setattr(viewers, "LOOK", 0.3)
    viewer = watch()
    still = picture(1)
    broadcaster.publish(still)
    stamps = [float(viewer.part()[0]["X-Timestamp"]) for _ in range(5)]
    assert max(stamps) - min(stamps) < 0.6, "with the time at which it was taken, not that of sending"
    again = Frame(still.data, still.format, 4, 4, 0, time.monotonic() + 50, 2)
    broadcaster.publish(again)
    while viewer.part()[0]["X-Sequence"] != "2":
        pass


def test_an_unchanged_picture_is_not_sent_at_once(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    viewer = watch()
    still = picture(1)
    for _ in range(50):
        broadcaster.publish(still)
    broadcaster.publish(picture(2))
    assert viewer.until(2) in ([1, 2], [2])
    assert broadcaster.sent.per_second() <= 1, "two pictures within two seconds"


def test_a_viewer_that_leaves_is_forgotten(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    assert (broadcaster.viewers, broadcaster.watched) == (0, False)
    one, two = watch(), watch()
    assert (broadcaster.viewers, broadcaster.watched) == (2, True)
    one.close()
    eventually(lambda: broadcaster.viewers == 1, "one viewer")
    assert broadcaster.watched
    broadcaster.publish(picture(1))
    assert two.sequence() == 1
    two.close()
    eventually(lambda: broadcaster.viewers == 0, "no viewer")
    assert not broadcaster.watched


def test_a_viewer_that_leaves_amid_a_picture_is_forgotten(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    viewer = watch(buffer=8192)
    broadcaster.publish(picture(1, 20 * LARGE))
    viewer.sock.recv(1000)
    viewer.close()
    eventually(lambda: broadcaster.viewers == 0, "no viewer")


def test_a_viewer_that_takes_nothing_is_given_up(
    broadcaster: Broadcaster, watch: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time passes once the other one has taken all: on a busy machine it could be late, too."""
    ahead = 0.0
    shadow(monkeypatch, viewers, "time", monotonic=lambda: time.monotonic() + ahead)
    stuck, idle = watch(buffer=8192), watch()
    broadcaster.publish(picture(1, 20 * LARGE))
    idle.sequence()
    broadcaster.publish(picture(2))
    assert idle.until(2)[-1] == 2
    assert broadcaster.viewers == 2
    ahead = viewers.STALLED + 1
    eventually(lambda: broadcaster.viewers == 1, "the one that is stuck being dropped")
    broadcaster.publish(picture(3))
    assert idle.until(3)[-1] == 3
    stuck.close()


def test_wait_fresh_returns_what_was_taken_after_the_call(broadcaster: Broadcaster) -> None:
    start = time.monotonic()
    old, new = picture(1, timestamp=start - 1), picture(2, timestamp=start + 3600)

    def publish() -> None:
        eventually(lambda: broadcaster.watched, "somebody waiting")
        broadcaster.publish(old)
        broadcaster.publish(new)

    thread = threading.Thread(target=publish)
    thread.start()
    assert broadcaster.wait_fresh(patience()) is new
    thread.join()
    assert not broadcaster.watched


def test_wait_fresh_does_not_take_an_older_picture_or_a_slate(
    broadcaster: Broadcaster, watch: Callable[..., Viewer]
) -> None:
    viewer = watch()
    broadcaster.publish(picture(1))
    viewer.sequence()
    assert broadcaster.wait_fresh(0) is None
    assert broadcaster.wait_fresh(0.05) is None
    threading.Timer(0.02, lambda: broadcaster.publish(picture(2), live=False)).start()
    assert broadcaster.wait_fresh(0.2) is None
    assert broadcaster.watched, "by the viewer still"


def test_a_hundred_viewers_get_the_same(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    many = [watch() for _ in range(100)]
    for number in range(3):
        broadcaster.publish(picture(number, 100_000))
        assert {viewer.part()[1] for viewer in many} == {picture(number, 100_000).data}
    assert broadcaster.viewers == 100


def test_a_viewer_who_may_not_watch_any_more_is_sent_away(
    broadcaster: Broadcaster, watch: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "LOOK", 0.05)
    reasons: list[str | None] = [None]
    viewer, other = watch(why_not=lambda: reasons[0]), watch()
    broadcaster.publish(picture(1))
    assert viewer.sequence() == 1
    reasons[0] = "it was logged out"
    assert viewer.file.read().endswith(b"it was logged out\r\n--kvmd\r\n"), "the last part says why"
    eventually(lambda: broadcaster.viewers == 1, "the other one alone")
    broadcaster.publish(picture(2))
    assert other.until(2)[-1] == 2


def test_what_a_viewer_sends_is_let_go(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    viewer = watch()
    viewer.sock.sendall(b"GET /nothing HTTP/1.1\r\n" * 1000)
    broadcaster.publish(picture(1))
    assert viewer.sequence() == 1


def test_stop_closes_all(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    many = [watch() for _ in range(3)]
    stuck = watch(buffer=8192)
    broadcaster.publish(picture(1, 20 * LARGE))
    for viewer in many:
        viewer.sequence()
    waiting: list[Frame | None] = []
    thread = threading.Thread(target=lambda: waiting.append(broadcaster.wait_fresh(3600)))
    thread.start()
    eventually(lambda: broadcaster._waiting, "somebody waiting")
    broadcaster.stop()
    thread.join()
    assert waiting == [None]
    for viewer in many:
        while viewer.file.read(1000):
            pass
    eventually(lambda: broadcaster.viewers == 0, "no viewer, not even one that takes nothing")
    stuck.close()


def test_what_comes_after_the_stop_is_let_go(broadcaster: Broadcaster, watch: Callable[..., Viewer]) -> None:
    broadcaster.stop()
    broadcaster.publish(picture(1))
    broadcaster.publish(picture(0), live=False)
    viewer = watch()
    assert viewer.file.read() == b""
    assert broadcaster.wait_fresh(3600) is None


def test_it_does_not_spin_when_there_is_nothing_to_do(
    broadcaster: Broadcaster, watch: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer that was shown all there is, and one that has to wait for its turn, cost nothing."""
    turns = []
    really_turn = Viewers._turn

    def turn(self: Viewers) -> None:
        turns.append(1)
        really_turn(self)

    monkeypatch.setattr(Viewers, "_turn", turn)
    done, limited, stuck = watch(), watch(fps=0.001), watch(buffer=8192)
    for number in range(3):
        broadcaster.publish(picture(number, 20 * LARGE))
        done.sequence()
    limited.sequence()
    stuck.sock.recv(1000)
    before = len(turns)
    time.sleep(0.5)
    assert len(turns) - before < 10


def test_the_rate_counts_the_last_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(broadcast, "time", SimpleNamespace(monotonic=lambda: clock.now))
    rate = Rate()
    assert (rate.per_second(), rate.kilobits_per_second()) == (0, 0)
    for tick in range(300):
        clock.now = tick / 30
        rate.count(picture(tick, 5000))
    assert rate.per_second() == pytest.approx(30, abs=0.5)
    assert rate.kilobits_per_second() == pytest.approx(30 * 5000 * 8 / 1000, abs=20)
    clock.now += 1
    assert rate.per_second() == pytest.approx(15, abs=0.5)
    assert rate.kilobits_per_second() == pytest.approx(15 * 5000 * 8 / 1000, abs=20)
    clock.now += 60
    assert (rate.per_second(), rate.kilobits_per_second()) == (0, 0)
