"""Which role an endpoint needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvmd.access.grant import UserRole
from kvmd.access.needs import marked_role
from kvmd.web.origin import READING

LOGIN = "blikvm.login"
PAGE = {"pages.index", "pages.asset"}
PUBLIC = {LOGIN, *PAGE}
"""The endpoints that need no login: the way to log in, and the page's own files."""


def needed_role(view: Callable[..., Any], method: str) -> UserRole:
    """Return the role that a view needs: the one that it is marked with, or else what reads is for viewers, too."""
    return marked_role(view) or (UserRole.VIEWER if method in READING else UserRole.OPERATOR)
