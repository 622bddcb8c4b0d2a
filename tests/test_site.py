"""The site of the documentation: it builds without a warning, is whole, and asks no other host for anything."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """A page: the anchors that it has, where its links lead, and what a browser fetches to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag != "a":
            self.fetched += [given[name] for name in ("src", "srcset", "href", "data", "poster") if name in given]


def build(docs: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    strictly: list[str | Path] = ["--fail-on-warning", "--keep-going", "--quiet", "-d", folder / "doctrees"]
    command: list[str | Path] = [sys.executable, "-m", "sphinx", *strictly, docs, folder / "html"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT / "docs", folder)
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_page_is_there_and_in_the_contents(site: Path, pages: dict[Path, Page]) -> None:
    sources = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    listed = {(site / link).resolve() for link in pages[site / "index.html"].links if not urlsplit(link).netloc}
    assert [path for path in sources if (site / path).resolve() not in listed and path.name != "index.html"] == []


def test_links_and_files_are_there(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for target in [*page.links, *page.fetched]:
            url = urlsplit(target)
            leads_to = path.parent / unquote(url.path) if url.path else path
            anchors = pages[leads_to.resolve()].anchors if leads_to.resolve() in pages else {url.fragment}
            if not url.scheme and (not leads_to.exists() or (url.fragment and unquote(url.fragment) not in anchors)):
                broken.append(f"{path.relative_to(site)}: {target}")
    assert broken == []


def test_no_other_host_is_asked_for_anything(site: Path, pages: dict[Path, Page]) -> None:
    fetched = {target for page in pages.values() for target in page.fetched}
    styles = "\n".join(path.read_text() for path in site.rglob("*.css"))
    fetched |= set(re.findall(r"""(?:url\(|@import)\s*["']?([^"')]+)""", styles))
    assert fetched
    assert [target for target in fetched if urlsplit(target).netloc] == []


def test_the_search_needs_no_server(site: Path) -> None:
    text = (site / "search.html").read_text()
    assert "searchindex.js" in text
    assert (site / "searchindex.js").read_text().startswith("Search.setIndex(")


def test_what_leads_nowhere_and_what_nobody_finds_fails(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs/static", docs / "static")
    shutil.copy(ROOT / "docs/conf.py", docs)
    (docs / "index.md").write_text("# Site\n\n- [Here](here.md): and [there](there.md), at [its end](here.md#end)\n")
    (docs / "here.md").write_text("# Here\n")
    (docs / "alone.md").write_text("# Alone\n")
    built = build(docs, tmp_path)
    assert built.returncode != 0
    assert built.stderr.count("WARNING") == 3
    assert "'there.md'" in built.stderr
    assert "'end'" in built.stderr
    assert re.search("alone.md.*isn't included in any toctree", built.stderr)
