"""What can go wrong in the lab itself, as opposed to in a test."""


class LabError(Exception):
    """No guest can be made; the message says why."""


class GuestLost(LabError):
    """A guest has ended, or does not answer any more; the message shows the end of its console."""
