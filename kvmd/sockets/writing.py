"""The texts of one socket: typed in a thread, for as long as the socket lasts."""

from __future__ import annotations

from collections.abc import Callable

from kvmd.access.grant import Grant
from kvmd.contract.reports import TextReport
from kvmd.kvm import Kvm
from kvmd.sockets.lane import Entry
from kvmd.sockets.messages import Text, Typed


class Writing:
    """Types what one socket asks for.

    :param client: the socket, to the keyboard
    :param why_stop: tells why it may not go on
    :param tell: is given news of how far it is; in a thread
    """

    def __init__(
        self, kvm: Kvm, grant: Grant, client: str, why_stop: Callable[[], str | None], tell: Callable[[Typed], None]
    ) -> None:
        self._kvm = kvm
        self._grant = grant
        self._client = client
        self._why_stop = why_stop
        self._tell = tell

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

        job = self._kvm.input.prepare(wish)
        try:
            self._kvm.input.type(job, self._client, self._why_stop, told)
        finally:
            self._kvm.audit.note("typing", self._grant.who, self._grant.address, f"text: {job.how_far}")
        return job.how_far
