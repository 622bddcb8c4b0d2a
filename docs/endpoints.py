"""The table of endpoints in docs/api.md, made from the routes and what their views say."""

from __future__ import annotations

import re
from typing import Any, get_args

from flask import Flask

from kvmd.contract.settings import AuthSettings, Endpoint, Settings
from kvmd.kvm import Kvm
from kvmd.plugins.loading import installed
from kvmd.plugins.registry import Registry
from kvmd.web import create_app, create_video_app
from kvmd.web.openapi import describe

SECTIONS = {
    "/login_api": "#log-in",
    "/api/logout": "#log-out",
    "/keyboard": "#press-keys",
    "/api/keyboard": "#press-keys",
    "/mouse": "#use-the-mouse",
    "/api/mouse": "#use-the-mouse",
    "/stream": "#video",
    "/snapshot": "#a-picture",
    "/api/status": "#status",
    "/api/devices": "#devices",
    "/api/log": "#the-log",
    "/api/edid": "#edid",
    "/api/edid/profiles": "#edid",
    "/api/power": "#power",
    "/api/ocr": "ocr.md",
    "/api/text": "text.md#over-http",
    "/api/layouts": "text.md#layouts",
    "/api/layouts/{name}": "text.md#layouts",
    "/api/openapi.json": "#described-for-programs",
    "/api/virtual": "virtual.md#power-and-cables-apivirtual",
}
"""Where more is said about a path."""


def table() -> str:
    """Write the table."""
    kvm = _kvm()
    pictures = set(_operations(create_video_app(kvm)))
    rows: dict[tuple[str, ...], list[str]] = {}
    for (path, method), operation in _operations(create_app(kvm)).items():
        ports = "8008 and 80" if (path, method) in pictures else "80"
        role = operation.get("x-kvmd-role", "(needs no login)")
        name = f"`{path.strip('/').rpartition('/')[2]}`" if _may_be_open(operation) else ""
        rows.setdefault((path, ports, role, name, _linked(path, operation["summary"])), []).append(method)
    lines = [
        f"| {', '.join(methods)} | `{re.sub('{.*?}', 'NAME', path)}` | {ports} | {role} | {name} | {words} |"
        for (path, ports, role, name, words), methods in rows.items()
    ]
    head = ["| method | path | port | role | name in `auth.open` | what it does |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines, ""])


def _kvm() -> Kvm:
    """Make one with the bundled plug-ins alone."""
    return Kvm(Settings(auth=AuthSettings(file="none")), Registry(installed(bundled_only=True)))


def _operations(app: Flask) -> dict[tuple[str, str], dict[str, Any]]:
    """Describe an app where every name that ``auth.open`` takes is open."""
    paths = describe(app, "", get_args(Endpoint))["paths"]
    return {(path, method.upper()): each for path, methods in paths.items() for method, each in methods.items()}


def _may_be_open(operation: dict[str, Any]) -> bool:
    return {} in operation.get("security", ())


def _linked(path: str, words: str) -> str:
    words = words[0].lower() + words[1:]
    return f"[{words}]({SECTIONS[path]})" if path in SECTIONS else words
