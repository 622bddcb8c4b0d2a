"""The guests that work on the tests of one session, each driven by a thread of its own."""

import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import GuestLost, LabError
from .locking import Say
from .machine import Machine, Message
from .shares import Shares, by_module, module_of

# how many guests a session may lose, at their boots or later, before it gives up
LOSSES = 6

# seconds that a guest may need to boot beside others; three on two idle CPUs need 60 to 90. Where it needs more, the
# machine does not carry so many: the programs in them would run into deadlines of their own
SLOW_BOOT = 240.0

Boot = Callable[[str], Machine]
"""Makes a guest, whose logs are in a folder of this name."""


@dataclass
class Outcome:
    """What came of a test.

    :param reports: pytest's, serialised
    :param failure: why there are no (more) reports; empty if they are complete
    """

    reports: list[Message] = field(default_factory=list)
    failure: str = ""


class Outcomes:
    """What has come of the tests so far."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}
        self._given_up = ""
        self._changed = threading.Condition()

    def put(self, nodeid: str, outcome: Outcome) -> None:
        """Note what came of a test."""
        with self._changed:
            self._outcomes[nodeid] = outcome
            self._changed.notify_all()

    def give_up(self, reason: str) -> None:
        """Let all tests fail of which nothing is known."""
        with self._changed:
            self._given_up = self._given_up or reason
            self._changed.notify_all()

    def wait(self, nodeid: str, seconds: float) -> Outcome | None:
        """Wait so long for the outcome of a test; None if it has not come."""
        with self._changed:
            self._changed.wait_for(lambda: nodeid in self._outcomes or self._given_up, seconds)
            outcome = self._outcomes.get(nodeid)
            return Outcome(failure=self._given_up) if outcome is None and self._given_up else outcome


class Team:
    """Guests that share tests, and replace those of them that are lost.

    :param boot: makes a guest
    :param nodeids: the tests
    :param size: how many guests work at the same time
    :param seconds: what modules took the last time
    :param say: told what happens to the guests, in any thread
    """

    def __init__(self, boot: Boot, nodeids: Sequence[str], size: int, seconds: Mapping[str, float], say: Say) -> None:
        shares = by_module(nodeids, seconds)
        self.order = [nodeid for share in shares for nodeid in share]
        self.shares = Shares(shares)
        self.outcomes = Outcomes()
        self.seconds: dict[str, float] = defaultdict(float)
        """What modules took."""
        self.release = ""
        self.boots: list[float] = []
        self.losses = 0
        self.ran = 0
        self.begin = time.monotonic()
        self.end = self.begin
        self._say = say
        self._lock = threading.Lock()
        self._workers = [
            Worker(self, boot, f"kernel-{number + 1}", may_leave=number > 0) for number in range(min(size, len(shares)))
        ]

    def start(self) -> None:
        """Boot the guests, and let them work."""
        for worker in self._workers:
            worker.start()

    def finish(self) -> None:
        """End the guests, whatever they do."""
        self.shares.close()
        for worker in self._workers:
            worker.finish()

    def summary(self) -> str:
        """A line for the end of the session; empty if no test ran."""
        if not self.ran:
            return ""
        boots = ", ".join(f"{boot:.0f}" for boot in self.boots)
        lost = f", {self.losses} lost" if self.losses else ""
        return (
            f"kernel: {self.ran} test{'s' * (self.ran != 1)} with Linux {self.release} in {self.end - self.begin:.0f} s"
            f" (boots of guests: {boots} s{lost})"
        )

    def booted(self, release: str, seconds: float) -> None:
        """Note that a guest is ready."""
        with self._lock:
            self.release = release
            self.boots.append(seconds)

    def ended(self, nodeid: str, seconds: float) -> None:
        """Note that a test is over."""
        with self._lock:
            self.ran += 1
            self.seconds[module_of(nodeid)] += seconds
            self.end = time.monotonic()

    def lost(self, name: str, error: GuestLost) -> None:
        """Note that a guest is lost; the last one that may be makes all tests fail that are left."""
        with self._lock:
            self.losses += 1
        self._say(f"{name} is lost: {str(error).partition(chr(10))[0]}")
        if self.losses >= LOSSES:
            self.give_up(f"{self.losses} guests were lost, which is too many; the last one: {error}")

    def left(self, name: str) -> None:
        """Note that a guest has left the machine to the others."""
        self._say(f"{name} booted slowly, and leaves the machine to the others")

    def give_up(self, reason: str) -> None:
        """Let all tests fail that are left."""
        self.shares.close()
        self.outcomes.give_up(f"kernel lab: {reason}")


class Worker:
    """One guest at a time, and the thread that has it run shares; a lost one costs the test that it ran.

    :param name: of the folders for the logs
    :param may_leave: whether it ends where the machine is too slow for it, since there are others
    """

    def __init__(self, team: Team, boot: Boot, name: str, may_leave: bool) -> None:
        self._team = team
        self._boot = boot
        self._name = name
        self._count = 0
        self._machine: Machine | None = None
        self._may_leave = may_leave
        self._leaves = False
        self._finished = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def finish(self) -> None:
        """End guest and thread."""
        self._finished = True
        machine = self._machine
        if machine is not None:
            machine.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            while not self._leaves and (share := self._team.shares.take()):
                self._run(share)
        except LabError as error:
            self._team.give_up(str(error))
        except Exception:  # whatever it is, nobody may wait for this thread for ever
            self._team.give_up(traceback.format_exc())
        finally:
            self._discard()

    def _run(self, share: Sequence[str]) -> None:
        """Run tests as far as the guest comes; the others are given back."""
        following = Following(share, self._team)
        try:
            machine = self._machine or self._boot_one()
            if self._leaves:
                return
            machine.run(share)
            while following.left:
                following.take(machine.receive())
        except GuestLost as error:
            self._discard()
            if not self._finished:
                following.lose(error)
                self._team.lost(self._name, error)
        finally:
            self._team.shares.give_back(following.left)

    def _boot_one(self) -> Machine:
        self._count += 1
        name = self._name if self._count == 1 else f"{self._name}-boot-{self._count}"
        self._machine = machine = self._boot(name)
        machine.start()
        if self._finished:
            machine.kill()
        while (message := machine.receive())["kind"] != "hello":
            pass
        self._team.booted(message["release"], machine.boot)
        self._leaves = self._may_leave and machine.boot > SLOW_BOOT
        if self._leaves:
            self._team.left(name)
        return machine

    def _discard(self) -> None:
        if self._machine is not None:
            self._machine.stop()
        self._machine = None


class Following:
    """How far a guest has come with a share.

    :ivar left: the tests that it has not finished
    """

    def __init__(self, share: Sequence[str], team: Team) -> None:
        self.left = list(share)
        self._team = team
        self._running = ""
        self._began = 0.0
        self._outcome = Outcome()

    def take(self, message: Message) -> None:
        """Note what the guest reports."""
        kind = message["kind"]
        if kind == "start":
            self._running = message["nodeid"]
            self._began = time.monotonic()
            self._outcome = Outcome()
        elif kind == "report":
            self._outcome.reports.append(message["report"])
        elif kind == "missing":
            self._end(message["nodeid"], Outcome(failure=message["text"]))
        elif kind == "end":
            self._team.ended(message["nodeid"], time.monotonic() - self._began)
            self._end(message["nodeid"], self._outcome)

    def lose(self, error: GuestLost) -> None:
        """Let the test fail that was running, if any was."""
        if self._running:
            self._end(self._running, Outcome(failure=f"kernel lab: {error}"))

    def _end(self, nodeid: str, outcome: Outcome) -> None:
        self._team.outcomes.put(nodeid, outcome)
        self.left.remove(nodeid)
        self._running = ""
