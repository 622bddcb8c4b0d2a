"""Who asks, and what they may do."""

from __future__ import annotations

import enum

import msgspec


class UserRole(enum.Enum):
    """What somebody may do; each may what those before it may, too.

    ``viewer`` sees, ``operator`` types and presses power buttons, ``admin`` changes who may what, and the EDID.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, needed: UserRole) -> bool:
        """Tell whether whoever has this role may do what needs that one."""
        order = list(UserRole)
        return order.index(self) >= order.index(needed)


class Grant(msgspec.Struct, frozen=True):
    """Somebody who is known, as of this request; ``Auth.why_not`` tells whether it still holds.

    :param client: under which name keys are held and things are counted; gives no secret away
    :param who: for people: a user's name, or which API key it is
    :param address: where the request comes from
    :param stamp: changes with the secret that was shown
    """

    client: str
    who: str
    role: UserRole
    address: str
    stamp: str = ""
