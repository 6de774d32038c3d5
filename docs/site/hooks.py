"""What mkdocs runs to make the site: pages that are written from the code, and links that lead out.

- `reference/*.md` are the pages of ``volition reference``.
- `api/*.md` name modules whose docstrings mkdocstrings shows.
- A file of the repository that a page links to becomes a page of its own, so that no link leads out
  of the site; the README is the first page.
- Scripts and styles that the theme writes into a page move to files: the service shows the site
  under a Content-Security-Policy that runs none in a page.
- What keeps out people who read by keyboard or screen reader is mended: a table that scrolls can be
  reached, and the search has a name.
"""

from __future__ import annotations

import hashlib
import os.path
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from volition.service.cli.reference import pages

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = Path(__file__).resolve().parent
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)#\s]+)((?:#[^)\s]*)?)(?=\))")
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
ALIGNED = re.compile(r' style="text-align: (left|right|center);"')
TABLE = re.compile(r"<table>(.*?)</table>", re.DOTALL)
SCROLLING = (
    r'<div class="scrolls" role="region" aria-label="Table" tabindex="0">'
    r'<table class="wide">\1</table></div>'
)
SEARCH = 'data-md-component="search" role="dialog"'

#: Title of each page of the Python reference, and the modules that it shows.
API = {
    "client": (
        "The client",
        ["volition.service.client.client", "volition.service.client.following"],
    ),
    "contracts": (
        "What parts promise",
        [
            "volition.chunk",
            "volition.decoders.contract.stage",
            "volition.decoders.contract.decoder",
            "volition.decoders.contract.intent",
            "volition.decoders.contract.trials",
            "volition.decoders.fitting.decoder",
            "volition.decoders.fitting.calibration",
            "volition.service.sessions.outputs",
            "volition.errors",
        ],
    ),
    "rooms": (
        "From Python",
        [
            "volition.streams.files.recording",
            "volition.service.sessions.config",
            "volition.service.sessions.engine",
            "volition.models.registry",
            "volition.benchmarks.quality.evaluation.evaluate",
        ],
    ),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written from the code, and the files that pages link to."""
    for name, write in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=write()))
    for name, (title, modules) in API.items():
        shown = "\n\n".join(f"::: {module}" for module in modules)
        files.append(File.generated(config, f"api/{name}.md", content=f"# {title}\n\n{shown}\n"))
    files.append(File.generated(config, "index.md", content=_read(REPOSITORY / "README.md")))
    files.append(File.generated(config, "site.css", content=_read(SITE / "site.css")))
    for path in _linked():
        content = _read(path) if path.suffix == ".md" else _shown(path)
        files.append(File.generated(config, _page_of(path), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point links to files of the repository at the pages that show them."""
    here = PurePosixPath(page.file.src_uri)

    def pointed(found: re.Match[str]) -> str:
        target = (_source_of(here).parent / found[1]).resolve()
        if not target.is_relative_to(REPOSITORY) or not target.exists():
            return found[0]
        uri = _page_of(target)
        return os.path.relpath(uri, here.parent.as_posix()) + found[2]

    return LINK.sub(pointed, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Move what the theme writes into pages to files beside them."""
    site = Path(config.site_dir)
    for path in site.rglob("*.html"):
        up = "../" * (len(path.relative_to(site).parts) - 1)

        def moved(found: re.Match[str], up: str = up) -> str:
            name = f"inline-{hashlib.sha256(found[1].encode()).hexdigest()[:16]}.js"
            (site / "assets" / name).write_text(found[1], encoding="utf-8")
            return f'<script src="{up}assets/{name}"></script>'

        html = INLINE.sub(moved, path.read_text(encoding="utf-8"))
        html = TABLE.sub(SCROLLING, ALIGNED.sub(r' class="\1"', html))
        html = html.replace(SEARCH, f'{SEARCH} aria-label="Search"')
        path.write_text(html, encoding="utf-8")


def _linked() -> Iterator[Path]:
    """Yield the files beside the documents that they link to, and those that these link to."""
    waiting = [*sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "README.md"]
    met = set(waiting)
    while waiting:
        page = waiting.pop(0)
        for found in LINK.finditer(_read(page)):
            target = (page.parent / found[1]).resolve()
            outside = target.is_relative_to(REPOSITORY) and not target.is_relative_to(SITE.parent)
            if outside and target.is_file() and target not in met:
                met.add(target)
                yield target
                if target.suffix == ".md":
                    waiting.append(target)


def _page_of(path: Path) -> str:
    """Give the place in the site of a file of the repository."""
    if path == REPOSITORY / "README.md":
        return "index.md"
    if path.is_relative_to(SITE.parent):
        return path.relative_to(SITE.parent).as_posix()
    name = path.relative_to(REPOSITORY).as_posix()
    return f"repository/{name}" if path.suffix == ".md" else f"repository/{name}.md"


def _source_of(uri: PurePosixPath) -> Path:
    """Give the file of the repository, or where it would be, of a page of the site."""
    if uri.as_posix() == "index.md":
        return REPOSITORY / "README.md"
    if uri.parts[0] == "repository":
        return REPOSITORY / PurePosixPath(*uri.parts[1:])
    return SITE.parent / uri


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _shown(path: Path) -> str:
    kind = {".py": "python", ".yaml": "yaml"}.get(path.suffix, "text")
    return (
        f"# {path.relative_to(REPOSITORY).as_posix()}\n\n````{kind}\n{_read(path).rstrip()}\n````\n"
    )
