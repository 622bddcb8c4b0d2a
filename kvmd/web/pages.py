"""The page at /, and its files."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, send_from_directory

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def index() -> Response:
    """Send the page."""
    return asset("index.html")


@blueprint.get("/static/<path:name>")
def asset(name: str) -> Response:
    """Send a file of the page."""
    return send_from_directory(f"{current_app.root_path}/static", name)
