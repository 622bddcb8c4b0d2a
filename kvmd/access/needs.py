"""The mark on a view that says which role it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kvmd.access.grant import UserRole

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "kvmd_needs"


def needs(role: UserRole) -> Callable[[View], View]:
    """Mark a view: whoever uses it has to have this role, or one that may more."""

    def mark(view: View) -> View:
        setattr(view, _MARK, role)
        return view

    return mark


def marked_role(view: Callable[..., Any]) -> UserRole | None:
    """Return the role that a view is marked with; None if it is not."""
    found: UserRole | None = getattr(view, _MARK, None)
    return found
