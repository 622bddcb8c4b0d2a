"""What one socket does with keyboard, mouse and power: in threads, as the hardware may take its time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kvmd.contract.hid import MouseEvent
from kvmd.kvm import Kvm
from kvmd.sockets import messages
from kvmd.sockets.handover import HandOver, Member
from kvmd.sockets.lane import Entry, Order, Refusal
from kvmd.sockets.writing import Writing


class Hands:
    """Does what one socket asks for, until that leaves.

    :param member: whose socket it is
    :param writing: types its texts
    :param keyboard: who has it
    :param handed: told that it has changed hands, if it has
    """

    def __init__(
        self, kvm: Kvm, member: Member, writing: Writing, keyboard: HandOver, handed: Callable[[], None]
    ) -> None:
        self._kvm = kvm
        self._member = member
        self._writing = writing
        self._keyboard = keyboard
        self._handed = handed
        self._turn = threading.Lock()
        self._gone = False

    def type(self, entry: Entry) -> str | None:
        """Use keyboard or mouse, or hand them over; begin a text, which is answered when it ends.

        :raises Refusal: it is late
        :raises KvmdError: as ``Input`` does
        """
        if _follows_texts(entry.order):
            self._writing.await_end(entry.left)
        with self._turn:
            if self._gone:
                return ""
            try:
                entry.check()
            except Refusal:
                if isinstance(entry.order, messages.Point) and entry.order.buttons is not None:
                    self._kvm.input.point(self._member.client, MouseEvent(buttons=[]))
                raise
            if isinstance(entry.order, messages.Take | messages.Give):
                return self._hand_over(entry.order)
            if isinstance(entry.order, messages.Text):
                self._writing.begin(entry.order)
                return None
            self._use(entry)
            if not (isinstance(entry.order, messages.Point) and entry.order.is_move):
                self._kvm.audit.typed(self._member.grant)
            return ""

    def press(self, entry: Entry) -> str:
        """Press one of the target's buttons, and return what was done.

        :raises Refusal: it is late
        :raises KvmdError: as ``Power`` does
        """
        entry.check()
        wish, grant = entry.order, self._member.grant
        if not isinstance(wish, messages.Power):
            raise TypeError("this presses the target's buttons alone")
        done = wish.carry_out(self._kvm.power, self._kvm.settings.power)
        self._kvm.audit.note("power", grant.who, grant.address, done)
        return done

    def leave(self) -> None:
        """Let go of all that is held; what still waits for its turn finds that this one has gone."""
        with self._turn:
            self._gone = True
            self._kvm.input.leave(self._member.client)
            self._keyboard.leave(self._member)
            self._handed()

    def _hand_over(self, order: messages.Turns) -> str:
        if isinstance(order, messages.Take):
            done = self._keyboard.take(self._member)
        else:
            done = self._keyboard.give(self._member, order.to)
        self._handed()
        return done

    def _use(self, entry: Entry) -> None:
        hands, client = self._kvm.input, self._member.client
        match entry.order:
            case messages.Press(keys=keys):
                hands.press(client, keys)
            case messages.Release(keys=keys):
                hands.release(client, keys)
            case messages.Tap(keys=keys):
                hands.tap(client, keys)
            case messages.ReleaseAll():
                hands.release_all(client)
                hands.point(client, MouseEvent(buttons=[]))
            case messages.Point(event=event):
                hands.point(client, event)


def _follows_texts(order: Order) -> bool:
    """Tell whether what this does depends on that the texts before it are typed; moves and what lets go do not."""
    if isinstance(order, messages.Point):
        return not order.is_move and order.buttons != []
    return isinstance(order, messages.Press | messages.Tap | messages.Text)
