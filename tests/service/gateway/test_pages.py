"""The pages as they are served: policy, caching, and what is said where they were not built."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from volition.service.gateway.pages import BUILT, PAGES, documentation_router, pages_router
from volition.service.wire import problems


def application(folder: Path) -> FastAPI:
    app = FastAPI(openapi_url=None)
    problems.install(app)
    app.router.routes.extend(pages_router(folder).routes)
    app.router.routes.extend(documentation_router(folder / "docs").routes)
    return app


async def get(folder: Path, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(application(folder))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-abc.js").write_text("export {};")
    (tmp_path / "assets" / "odd.exe").write_text("no page loads this")
    for name in PAGES.values():
        (tmp_path / name).write_text(f"<title>{name}</title>")
    (tmp_path / "secret.txt").write_text("not below assets")
    return tmp_path


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_load_from_the_service_alone_and_be_framed_by_nobody(
    built: Path, path: str
) -> None:
    answer = await get(built, path)

    assert answer.status_code == 200
    assert answer.text == f"<title>{PAGES[path]}</title>"
    policy = dict(
        rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_page_is_asked_for_each_time_and_sent_when_it_changed(built: Path) -> None:
    first = await get(built, "/")
    again = await get(built, "/", if_none_match=first.headers["etag"])
    (built / "index.html").write_text("new")
    changed = await get(built, "/", if_none_match=first.headers["etag"])

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert (changed.status_code, changed.text) == (200, "new")


async def test_what_a_page_loads_is_kept_for_ever(built: Path) -> None:
    answer = await get(built, "/assets/index-abc.js")

    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "name", ["none.js", "odd.exe", "..%2Fsecret.txt", "../secret.txt", "%2e%2e/secret.txt"]
)
async def test_nothing_else_is_there(built: Path, name: str) -> None:
    answer = await get(built, f"/assets/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == problems.MEDIA_TYPE


async def test_pages_that_are_not_built_say_so_and_how_to_build_them(tmp_path: Path) -> None:
    answer = await get(tmp_path, "/")

    assert answer.status_code == 503
    assert "make pages" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "content-security-policy" in answer.headers


def test_the_built_pages_hold_no_script_or_style_of_their_own() -> None:
    if not (BUILT / "index.html").is_file():
        pytest.skip("needs the pages: 'make pages' builds them")
    for name in PAGES.values():
        text = (BUILT / name).read_text(encoding="utf-8")
        assert not re.search(r"<script[^>]*>[^<]", text)
        assert not re.search(r"<style|\sstyle=|\son\w+=", text)
        assert not re.search(r'(?:src|href)="(?!\./assets/)', text)


async def test_the_documentation_is_shown_file_by_file_under_the_same_policy(built: Path) -> None:
    (built / "docs" / "reference").mkdir(parents=True)
    (built / "docs" / "index.html").write_text("<title>Volition</title>")
    (built / "docs" / "reference" / "errors.html").write_text("<title>Errors</title>")
    (built / "docs" / "objects.inv").write_text("no page asks for this")

    to_first = await get(built, "/docs")
    page = await get(built, "/docs/reference/errors.html")

    assert (to_first.status_code, to_first.headers["location"]) == (307, "docs/index.html")
    assert (await get(built, "/docs/")).text == "<title>Volition</title>"
    assert page.text == "<title>Errors</title>"
    assert "unsafe" not in page.headers["content-security-policy"]
    again = await get(built, "/docs/reference/errors.html", if_none_match=page.headers["etag"])
    assert again.status_code == 304
    for name in ("objects.inv", "../secret.txt", "%2e%2e/secret.txt", "/etc/passwd"):
        assert (await get(built, f"/docs/{name}")).status_code == 404


async def test_documentation_that_was_not_built_says_so(built: Path) -> None:
    answer = await get(built, "/docs")

    assert answer.status_code == 503
    assert "make docs" in answer.text
