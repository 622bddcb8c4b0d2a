"""Whose turn it is to type and point: everybody's, or that of one client who has taken the keyboard."""

from __future__ import annotations

from typing import NamedTuple

from kvmd.errors import Taken

LOCAL = "local:"
"""How the names of clients begin that are at this machine itself: they have no need to ask those who are not."""


class Holder(NamedTuple):
    """Who has the keyboard.

    :param number: of the socket
    :param who: for people
    :param clients: the names under which this one types: its socket's, and its login's for requests
    """

    number: int
    who: str
    clients: frozenset[str]


class Turn:
    """Who may type now; an assignment to ``holder`` is a hand-over, from whichever thread."""

    def __init__(self) -> None:
        self.holder: Holder | None = None
        """Who has the keyboard; None: it is free, and all type."""

    def why_not(self, client: str) -> str | None:
        """Return why a client may not type now; None if it may."""
        holder = self.holder
        if holder is None or client in holder.clients or client.startswith(LOCAL):
            return None
        return f"{holder.who} has the keyboard; take it to type"

    def check(self, client: str) -> None:
        """Refuse who may not type now.

        :raises Taken: somebody else has the keyboard
        """
        if why := self.why_not(client):
            raise Taken(why)
