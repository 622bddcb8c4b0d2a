"""Which role an endpoint needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kvmd.access.grant import UserRole
from kvmd.web.origin import READING

View = TypeVar("View", bound=Callable[..., Any])

LOGIN = "blikvm.login"
PAGE = {"pages.index", "pages.asset"}
PUBLIC = {LOGIN, *PAGE}
"""The endpoints that need no login: the way to log in, and the page's own files."""

_MARK = "kvmd_needs"


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
