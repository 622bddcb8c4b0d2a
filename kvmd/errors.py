"""What can go wrong, as a tree.

::

    KvmdError
    ├── ConfigError        a setting is wrong: names the file, the key, what was given and what is accepted
    ├── RequestError       what a client asks for makes no sense: an unknown key, too many of them
    │   └── NotFound       it names something that is not there
    ├── Unsupported        what a client asks for is beyond the driver in use, or beyond what is known
    ├── Busy               what a client asks for has to wait for something else to end
    ├── Taken              what a client asks to type is not its turn: somebody else has the keyboard
    ├── Cancelled          what a client asked for was begun, and ended before it was done
    ├── Unavailable        what a client asks for needs something that hangs
    ├── AuthError          who asks may not
    │   ├── TooManyAttempts   and has to wait before trying again
    │   ├── CodeNeeded        without a one-time code beside the password, or with a wrong one
    │   └── Forbidden         from there, whoever it is: a page of another site, a name that is not this machine's
    └── DriverError        a driver cannot do its work: no permission, no gadget, the device is busy
        ├── DeviceAbsent   nothing is plugged in that the driver could use
        ├── DeviceLost     the device was there and is gone: it has to be found and opened again
        ├── NoSignal       the capture device works, its source sends no picture
        └── HidOffline     the HID device works, the host takes no reports

Every message starts in lower case, names the thing and, where there is one, the way out. A driver turns the errors of
the libraries it uses into these at its edge, with ``from error``.
"""


class KvmdError(Exception):
    """Anything that kvmd reports in words; ``str(error)`` is the message for a person."""


class ConfigError(KvmdError):
    """A setting that cannot be used."""


class RequestError(KvmdError):
    """A request that cannot be understood or must not be carried out; nothing was done."""


class NotFound(RequestError):
    """A request for something that is not there: a user, a session, an API key."""


class Unsupported(KvmdError):
    """A request that is in order, but which the driver in use cannot carry out."""


class Busy(KvmdError):
    """A request that is in order, but has to wait until something else has ended; nothing was done.

    :param retry_after: seconds until then
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Taken(KvmdError):
    """A request to type or to point while somebody else has the keyboard; nothing was done."""


class Cancelled(KvmdError):
    """A request that was being carried out, and is no more: somebody, or what allowed it, has put an end to it."""


class Unavailable(KvmdError):
    """A request that is in order, and needs something that does not come back: a driver's or a plug-in's call."""


class AuthError(KvmdError):
    """A wrong user name, password, token or key."""


class CodeNeeded(AuthError):
    """The password was right; a one-time code was missing or wrong."""


class Forbidden(AuthError):
    """A request that a browser makes for a stranger; nothing was done."""


class TooManyAttempts(AuthError):
    """Too many wrong logins from one place, or too many logins at once.

    :param retry_after: seconds until the next attempt is looked at
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DriverError(KvmdError):
    """The driver cannot work with its device as things stand; it is closed and opened again later."""


class DeviceAbsent(DriverError):
    """No device is plugged in that the driver, or any driver, could use."""


class DeviceLost(DriverError):
    """The device went away while it was in use."""


class NoSignal(DriverError):
    """The device works but receives no picture; it stays open, and frames are asked for again."""


class HidOffline(DriverError):
    """The device works but the host did not take the report; it stays open, and is watched until the host is back."""
