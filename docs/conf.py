"""How Sphinx builds the site: ``make docs``."""

from __future__ import annotations

import importlib.metadata
import re
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "kvmd-hal"
release = importlib.metadata.version(project)
language = "en"
smartquotes = False  # settings are copied with their quotes
html_title = f"{project} {release}"

extensions = ["myst_parser"]
myst_heading_anchors = 4

# Furo has light and dark colours, and brings its scripts, styles and fonts along: who reads tells no third party so.
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_use_index = False
pygments_dark_style = "github-dark"


def with_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Make the lists of an index page the site's table of contents, under the same headings."""
    if page.rpartition("/")[2] == "index":
        source[0] += "".join(map(_contents, re.split(r"(?m)^## ", source[0])))


def _contents(section: str) -> str:
    listed = re.findall(r"(?m)^- \[(.+?)\]\(([\w./-]+)\.md\)", section)
    entries = [f"{title} <{name}>" for title, name in listed]
    heading = section.partition("\n")[0]
    caption = [] if heading.startswith("# ") else [f":caption: {heading}"]
    return "\n".join(["\n\n```{toctree}", ":hidden:", *caption, "", *entries, "```"]) if entries else ""


def setup(app: Sphinx) -> None:
    """Say what of this file Sphinx calls, and that it colours no HAProxy."""
    app.add_lexer("haproxy", TextLexer)
    app.connect("source-read", with_contents)
