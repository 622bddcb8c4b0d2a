"""The page at /, and its files."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, send_from_directory

from kvmd.contract.endpoint import endpoint

blueprint = Blueprint("pages", __name__)


FILE = {304: "", 206: "*/*"}
"""What a file is answered with where a browser has it, or asks for a part."""


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
    return send_from_directory(f"{current_app.root_path}/static", name)
