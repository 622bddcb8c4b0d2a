"""A hook for schemathesis, which keeps what it asks for short: buttons are not pressed for 20 s."""

from __future__ import annotations

from typing import Any

import schemathesis

LONGEST = 0.2
"""Seconds."""


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]) -> None:
    body = case.body
    if isinstance(body, dict) and isinstance(seconds := body.get("seconds"), int | float) and seconds <= 20:
        body["seconds"] = min(seconds, LONGEST)
