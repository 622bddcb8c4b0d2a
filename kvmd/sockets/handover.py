"""Handing over the keyboard: who has a socket may take it, and give it away again."""

from __future__ import annotations

import threading
from typing import Protocol

from kvmd.access.audit import Audit
from kvmd.access.grant import Grant, UserRole
from kvmd.input.facility import Input
from kvmd.input.turn import Holder
from kvmd.sockets.lane import Refusal
from kvmd.sockets.messages import Why


class Member(Protocol):
    """Somebody who may have the keyboard."""

    @property
    def number(self) -> int:
        """Of the socket."""

    @property
    def grant(self) -> Grant:
        """Who it is."""

    @property
    def role(self) -> UserRole:
        """What this one may now."""

    @property
    def client(self) -> str:
        """Under which name it types."""


class HandOver:
    """Knows who has the keyboard. What it does may wait for the hardware, so it is done in threads.

    :param hands: keyboard and mouse
    """

    def __init__(self, hands: Input, audit: Audit) -> None:
        self._hands = hands
        self._audit = audit
        self._members: dict[int, Member] = {}
        self._lock = threading.Lock()

    @property
    def number(self) -> int | None:
        """The socket that has the keyboard; None: it is free."""
        holder = self._hands.turn.holder
        return holder.number if holder else None

    def join(self, member: Member) -> None:
        """Note that somebody may take the keyboard, and be given it."""
        with self._lock:
            self._members[member.number] = member

    def take(self, member: Member) -> str:
        """Give the keyboard to who asks for it, whoever has it; return what was done, in words."""
        with self._lock:
            before = self._hands.turn.holder
            if before and before.number == member.number:
                return "nothing was done: you have the keyboard already"
            self._hand_to(member)
        return self._note(member, f"took the keyboard from {before.who}" if before else "took the keyboard")

    def give(self, member: Member, number: int | None) -> str:
        """Let another have the keyboard, or all type; return what was done, in words.

        :param number: of the socket that gets it; None: it is free from now on
        :raises Refusal: somebody else has the keyboard, or nobody could have it by this number
        """
        with self._lock:
            before = self._hands.turn.holder
            if before and before.number != member.number:
                raise Refusal(Why.TAKEN, f"{before.who} has the keyboard; take it first")
            if number is None:
                self._hands.hand_over(None)
                return self._note(member, "gave the keyboard back") if before else "nothing was done: it is free"
            other = self._members.get(number)
            if other is None:
                raise Refusal(Why.MALFORMED, f"to: there is no socket {number}; clients has the numbers")
            if not other.role.includes(UserRole.OPERATOR):
                raise Refusal(Why.DENIED, f"{other.grant.who} has the role {other.role.value}, and may not type")
            self._hand_to(other)
        return self._note(member, f"gave the keyboard to {other.grant.who}")

    def free(self, member: Member) -> None:
        """Let all type, where this one has the keyboard and may not have it any more."""
        with self._lock:
            if self.number == member.number:
                self._hands.hand_over(None)

    def leave(self, member: Member) -> None:
        """Forget somebody; the keyboard that this one had is free."""
        with self._lock:
            self._members.pop(member.number, None)
        self.free(member)

    def _hand_to(self, member: Member) -> None:
        names = frozenset({member.client, member.grant.client})
        self._hands.hand_over(Holder(member.number, member.grant.who, names))

    def _note(self, member: Member, done: str) -> str:
        self._audit.note("keyboard", member.grant.who, member.grant.address, done)
        return done
