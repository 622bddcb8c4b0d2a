"""A client for the daemon's API: ``with Client("https://kvm", key="…", fingerprint="…") as kvm: kvm.tap("Enter")``.

It needs none of what the daemon is made of, and runs wherever ``pip install kvmd-hal`` does; docs/client.md shows more.
"""

from kvmd.client.client import Client
from kvmd.client.errors import ClientError, NoPicture, Refused, StreamEnded, Unreachable, Untrusted
from kvmd.client.stream import Picture

__all__ = ["Client", "ClientError", "NoPicture", "Picture", "Refused", "StreamEnded", "Unreachable", "Untrusted"]
