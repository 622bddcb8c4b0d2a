"""docs/hooks.md: every hook, from its specification, and what calling it is like, which the table here says."""

from __future__ import annotations

import re
from types import FunctionType
from typing import NamedTuple

from docs.docstrings import words_of
from docs.reference import linked
from docs.shapes import signature, table
from kvmd.plugins import hookspecs, services
from kvmd.plugins.courier import ROOM
from kvmd.plugins.hookspecs import PROJECT
from kvmd.plugins.loading import PATIENCE
from kvmd.plugins.registry import LOGIN_PATIENCE
from kvmd.system.bounded import PLACES

INTRODUCTION = f"""\
# Hooks

What a plug-in may answer. The module that its [entry point](plugins.md) names implements any of these with `@hookimpl`:

```python
@hookimpl  # from kvmd
def kvmd_drivers():
    return [AcmeCapture]
```

An argument that is not needed may be left out; one that is not listed may not be asked for. Plug-ins are asked in the
order of their entry points' names, the bundled ones first. A hook that returns many things may return a list, a
generator or any other iterable; None is as good as an empty one.

The types are in [the contract](contract/index.md), and [plug-ins](plugins.md) has an example of each. This page is made
from [kvmd/plugins/hookspecs.py](../kvmd/plugins/hookspecs.py).

## When a hook fails

No hook holds up the daemon: each is called in a thread of its own, is waited for only so long, and {PLACES} calls of a
plug-in are made at once at most. One that raises, or does not come back, is **broken**: the log, `kvmd drivers` and the
status name the plug-in and say why. What it answers to other hooks holds, and nothing else suffers; but of a plug-in
that did not come back, none of those that return things is called again. So is one that returns what it may not: that
is left out, and the rest is taken. A `ConfigError` is no fault of the plug-in's: it ends the start, or the command,
with its message, which is for whoever wrote the settings. [What fails](plugins.md#what-fails) says what keeps a plug-in
from being loaded, and [what hangs](plugins.md#what-hangs) has the limits of all else that it does.
"""


class Call(NamedTuple):
    """What calling a hook is like.

    :param when: when it is called
    :param thread: in which thread
    :param patience: how long it is waited for
    :param answers: what else it may return
    :param failure: what happens when it raises, or does not come back
    """

    when: str
    thread: str
    patience: str
    answers: str
    failure: str


_CALLED = "`kvmd-call plug-in NAME`"
_BROKEN = "The hook is [broken](#when-a-hook-fails)."

CALLS = {
    "kvmd_drivers": Call(
        "Once, as soon as all plug-ins are loaded: when the daemon starts, and in each command that has to know them, "
        "such as `kvmd drivers`. There may be no device, no settings and no right to open one.",
        _CALLED,
        f"{PATIENCE:g} s",
        "Of two drivers of one name and role the first stays, and the second is reported.",
        _BROKEN,
    ),
    "kvmd_boards": Call(
        "When the daemon starts, and in `kvmd boards`, after the drivers are known.",
        _CALLED,
        f"{PATIENCE:g} s",
        "Of two boards of one name the first stays, and the second is reported.",
        _BROKEN,
    ),
    "kvmd_services": Call(
        "Once, when the daemon starts, before it opens a device or listens.",
        _CALLED,
        f"{PATIENCE:g} s; then {services.PATIENCE:g} s for each service's `start()`",
        "They are started in this order, once the daemon answers, and stopped the other way round.",
        f"{_BROKEN} A service whose `start()` raises is named in the log, with its traceback.",
    ),
    "kvmd_blueprints": Call(
        "Once, when the daemon starts, after `kvmd_services` and before it opens a device or listens. The views are "
        "called in the web's threads, several at once.",
        _CALLED,
        f"{PATIENCE:g} s",
        "Each blueprint needs a name of its own.",
        f"{_BROKEN} A `KvmdError` that a view raises is answered with its message, anything else with 500.",
    ),
    "kvmd_commands": Call(
        "By `kvmd --help`, and by `kvmd NAME` where kvmd has no such command itself; never in the daemon.",
        f"{_CALLED}; the command itself runs in the main one",
        f"{PATIENCE:g} s; the command itself without end",
        "A command of kvmd's own goes before one of the same name.",
        f"{_BROKEN} A `KvmdError` of the command itself ends it with one line and an exit code.",
    ),
    "kvmd_verify_password": Call(
        "At each login, and with each request that has a password (HTTP Basic).",
        f"{_CALLED}; for several logins at once",
        f"{LOGIN_PATIENCE:g} s",
        "True lets in, False does not, and nobody else is asked. None asks the next plug-in, and in the end kvmd's own "
        "file. One-time codes are asked for all the same.",
        f"{_BROKEN} Nobody is let in by a password: 503, and the log says why. API keys and sessions go on. No other "
        "plug-in is asked, for it may be this one that would refuse.",
    ),
    "kvmd_event": Call(
        "Each time a role's state changes, a button was pressed, or the target goes on, off or to sleep.",
        "`kvmd-events plug-in NAME`, always the same: one event after the other, in their order",
        f"as long as it takes, by nobody; beyond {ROOM} events that wait, it misses what happens",
        "Nothing that is looked at.",
        "The hook is [broken](#when-a-hook-fails), and the log has the traceback; the next event comes all the same.",
    ),
}
"""What no signature says. A hook that is missing here keeps the page from being made."""


def hooks() -> list[FunctionType]:
    """List the hooks in the order in which they are specified."""
    return [value for value in vars(hookspecs).values() if hasattr(value, f"{PROJECT}_spec")]


def page() -> str:
    """Write the page."""
    names = [hook.__name__ for hook in hooks()]
    if set(names) != CALLS.keys():
        raise SystemExit(f"docs/hooks.py: CALLS has to say how each of {', '.join(names)} is called, and of no other")
    text = "\n\n".join([INTRODUCTION, *map(_section, hooks())])
    return re.sub(r"\n{3,}", "\n\n", linked(text, "contract/")).strip() + "\n"


def _section(hook: FunctionType) -> str:
    words = words_of(hook)
    call = CALLS[hook.__name__]
    arguments = table(["argument", "meaning"], [(f"`{name}`", meaning) for name, meaning in words.parameters.items()])
    returned = f"{words.returned[:1].upper()}{words.returned[1:]}. " if words.returned else ""
    rows = [
        ("is called", call.when),
        ("in the thread", call.thread),
        ("is waited for", call.patience),
        ("returns", f"{returned}{call.answers}"),
        ("when it raises, or hangs", call.failure),
    ]
    return "\n\n".join([f"## {hook.__name__}", signature(hook), words.text, arguments, table(["", ""], rows)])
