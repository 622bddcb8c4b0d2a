"""The texts of one socket: typed in a thread, for as long as the socket lasts; its keys and clicks follow them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kvmd.contract.reports import TextReport
from kvmd.kvm import Kvm
from kvmd.sockets.handover import Member
from kvmd.sockets.lane import Entry
from kvmd.sockets.messages import Text, Typed

QUICKEST = 0.005
"""Seconds for a character, as far as one can expect."""


class Writing:
    """Types what one socket asks for.

    :param member: whose socket it is
    :param why_stop: tells why it may not go on
    :param begin: has a text typed in a thread of its own, by ``work``; called in a thread
    :param tell: is given news of how far it is; in a thread
    """

    def __init__(
        self,
        kvm: Kvm,
        member: Member,
        why_stop: Callable[[], str | None],
        begin: Callable[[Text], None],
        tell: Callable[[Typed], None],
    ) -> None:
        self._kvm = kvm
        self._member = member
        self._why_stop = why_stop
        self._begin = begin
        self._tell = tell
        self._changed = threading.Condition()
        self._ends: dict[int, float] = {}
        """When the texts end, at the earliest (``time.monotonic()``), that were begun and are not over; by ``id``."""

    def begin(self, wish: Text) -> None:
        """Have a text typed."""
        with self._changed:
            self._ends[id(wish)] = time.monotonic() + len(wish.text) * max(wish.delay / 1000, QUICKEST)
        self._begin(wish)

    def end(self, wish: Text) -> None:
        """Note that one that was begun is over."""
        with self._changed:
            self._ends.pop(id(wish), None)
            self._changed.notify_all()

    def await_end(self, seconds: float) -> None:
        """Wait for the end of the texts that were begun, if it can be expected within this time.

        :raises Busy: it was, and did not come
        """
        with self._changed:
            if max(self._ends.values(), default=0.0) - time.monotonic() > seconds:
                return
            is_over = self._changed.wait_for(lambda: not self._ends, seconds)
        if not is_over:
            self._kvm.input.text.require_turn()

    def work(self, entry: Entry) -> str:
        """Type a text, and return what was done.

        :raises Refusal: it is late
        :raises KvmdError: as ``Input.prepare`` and ``Input.type`` do
        """
        entry.check()
        wish = entry.order
        if not isinstance(wish, Text):
            raise TypeError("this types texts alone")
        number = wish.id

        def told(report: TextReport) -> None:
            self._tell(Typed(id=number, typed=report.typed, length=report.length))

        job, grant = self._kvm.input.prepare(wish), self._member.grant
        try:
            self._kvm.input.type(job, self._member.client, self._why_stop, told)
        finally:
            self._kvm.audit.note("typing", grant.who, grant.address, f"text: {job.how_far}")
        return job.how_far
