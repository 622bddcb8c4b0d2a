"""Functions of a library, replaced for one module alone.

Guests of the kernel tests are driven by threads of this very process: what is replaced in the library itself, such as
``os.open``, would be replaced for them, too.
"""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


def shadow(monkeypatch: pytest.MonkeyPatch, user: ModuleType, library: str, **replaced: Any) -> None:
    """Let a module see a library with these functions in the place of its own.

    :param user: the module
    :param library: the name by which it has imported the library
    """
    monkeypatch.setattr(user, library, SimpleNamespace(**{**vars(getattr(user, library)), **replaced}))
