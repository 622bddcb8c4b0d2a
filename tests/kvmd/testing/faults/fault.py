"""What a fault is, and how the suite is run on it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kvmd.testing.driver import Beside, DriverConformance


@dataclass(frozen=True)
class Fault:
    """A broken driver, and how it fails.

    :param suite: the suite, told what to do to its device
    :param kind: its docstring says what is wrong with it
    :param check: the check that is meant for the fault
    :param says: what the check says
    :param hasty: whether the check waits in vain, so that it should not wait for long
    """

    suite: type[DriverConformance]
    kind: type[Any]
    check: str
    says: str
    hasty: bool = False

    def __str__(self) -> str:
        return f"{self.kind.__name__}-{self.check}"

    @property
    def wrong(self) -> str:
        """What is wrong with the driver."""
        return inspect.cleandoc(self.kind.__doc__ or "").partition("\n")[0]

    @property
    def rule(self) -> str:
        """What the check asks for."""
        return inspect.cleandoc(self._function.__doc__ or "")

    @property
    def places(self) -> tuple[str, ...]:
        """Where the contract asks for it."""
        places: tuple[str, ...] = vars(self._function)["places"]
        return places

    @property
    def _function(self) -> Callable[..., None]:
        function: Callable[..., None] = getattr(self.suite, self.check)
        return function

    def failure(self) -> str:
        """Run the check on a driver of the kind, and return what it says."""
        driver = self.kind()
        if "opened" in inspect.signature(self._function).parameters:
            driver.open()
        try:
            self._function(self.suite(), driver)
        except (Exception, pytest.fail.Exception) as error:
            return "".join(traceback.format_exception_only(error))
        finally:
            Beside(driver.close)  # which may be what hangs
        return ""
