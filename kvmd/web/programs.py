"""Programs and browsers: to whom HTTP Basic is offered."""

from __future__ import annotations

from flask import request

BASIC = 'Basic realm="kvmd", charset="UTF-8"'
"""RFC 7617."""


def challenges() -> list[str]:
    """Return what a client may log in with that has not (RFC 9110, section 11.6.1).

    ffmpeg, mpv, wget, OpenCV and GStreamer send the user and password in an address only once they are asked for them.
    Browsers would show a dialog of their own in place of our page.
    """
    return ["Bearer"] if _is_browser() else ["Bearer", BASIC]


def _is_browser() -> bool:
    """Tell whether a browser asks, also for a script; where it asks without TLS, it sends no ``Sec-Fetch-`` headers."""
    headers = request.headers
    return (
        any(name.startswith("Sec-Fetch-") for name, _ in headers)
        or not {"Cookie", "Origin", "X-Requested-With"}.isdisjoint(name for name, _ in headers)
        or headers.get("User-Agent", "").startswith("Mozilla/")
        or "text/html" in headers.get("Accept", "")
    )
