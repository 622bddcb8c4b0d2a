"""Which role an endpoint needs, and whether it acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kvmd.access.grant import UserRole
from kvmd.web.origin import READING

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "kvmd_needs"
_ACTS = "kvmd_acts"


def needs(role: UserRole) -> Callable[[View], View]:
    """Mark a view: whoever uses it has to have this role."""

    def mark(view: View) -> View:
        setattr(view, _MARK, role)
        return view

    return mark


def needed_role(view: Callable[..., Any], method: str) -> UserRole:
    """Return the role that a view needs: the one that it is marked with, or else what reads is for viewers, too."""
    unmarked = UserRole.VIEWER if method in READING else UserRole.OPERATOR
    found: UserRole = getattr(view, _MARK, unmarked)
    return found


def acts(view: View) -> View:
    """Mark a view that does more than to read, also where its method is one that reads, as of a socket's handshake."""
    setattr(view, _ACTS, True)
    return view


def does_act(view: Callable[..., Any] | None, method: str) -> bool:
    """Tell whether a request may change something, and so must not come from a page of another site."""
    return method not in READING or getattr(view, _ACTS, False)
