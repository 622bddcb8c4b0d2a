"""What can go wrong in the lab itself, as opposed to in a test."""


class LabError(Exception):
    """The guest could not be made, booted or kept alive; the message says why."""
