"""The page at /, and its files."""

from __future__ import annotations

import gzip
from functools import lru_cache
from io import BytesIO
from mimetypes import guess_type
from pathlib import Path

from flask import Blueprint, Response, current_app, request, send_file, send_from_directory
from werkzeug.security import safe_join

from kvmd.contract.endpoint import endpoint

blueprint = Blueprint("pages", __name__)


FILE = {304: "", 206: "*/*"}
"""What a file is answered with where a browser has it, or asks for a part."""

PACKED = {"text/html", "text/css", "text/javascript", "application/json", "image/svg+xml"}
"""What becomes much smaller by gzip; nothing in it is secret, so that its length may be told."""


@blueprint.get("/")
@endpoint(content={200: "text/html", **FILE}, fails=(302, 416))
def index() -> Response:
    """Send the page."""
    return _file("index.html")


@blueprint.get("/static/<path:name>")
@endpoint(content={200: "*/*", **FILE}, fails=(416,))
def asset(name: str) -> Response:
    """Send a file of the page."""
    return _file(name)


def _file(name: str) -> Response:
    folder = f"{current_app.root_path}/static"
    path = Path(safe_join(folder, name) or folder)
    kind = guess_type(name)[0]
    if kind not in PACKED or not path.is_file():
        return send_from_directory(folder, name)
    takes_packed = request.accept_encodings.quality("gzip") > 0
    response = _packed(path, kind) if takes_packed else send_from_directory(folder, name)
    response.vary.add("Accept-Encoding")
    return response


def _packed(path: Path, kind: str) -> Response:
    changed = path.stat().st_mtime_ns
    packed = BytesIO(_gzip(path, changed))
    etag = f"{changed}-gzip"  # other bytes than those of the file itself: RFC 9110, 8.8.3
    response = send_file(packed, kind, conditional=True, etag=etag, last_modified=changed / 1e9)
    response.content_encoding = "gzip"
    return response


@lru_cache(maxsize=256)
def _gzip(path: Path, changed: int) -> bytes:  # noqa: ARG001  # the file as it was then
    return gzip.compress(path.read_bytes(), mtime=0)
