"""What tests of access share."""

import argon2
import pytest
from argon2 import PasswordHasher


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real hash with little work, or these tests would take a minute; one test looks at the real cost."""
    monkeypatch.setattr(argon2, "PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
