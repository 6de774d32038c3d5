"""The service's own pages: a few built files, served from memory, under a strict policy.

Nothing is loaded from anywhere else, no script or style stands in a page, and no page of another
origin may frame these: the Content-Security-Policy says so to the browser. What a name with a hash
in it holds never changes, so it is kept for a year; the pages themselves are asked for each time,
and answered with 304 while they are the same.

The pages are open to whoever may reach the service: they hold nothing. What they show comes from
``/v1``, with the role that it asks for. Where they were not built (a checkout before ``make
pages``), one that says so stands in their place.

The documentation is below ``/docs`` where it was built (``make docs``): files of a folder, by the
names that lie in it when the service starts, read when they are asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from volition.service.gateway.auth import Role, allow
from volition.service.wire.problems import NotFoundError

#: Where the build puts them, in a checkout and in a wheel alike.
BUILT = Path(__file__).resolve().parents[1] / "web" / "dist"
DOCUMENTATION = BUILT.with_name("docs")

PAGES = {
    "/": "index.html",
    "/console": "console.html",
    "/speller": "speller.html",
    "/cursor": "cursor.html",
    "/training": "training.html",
}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "no-cache"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class _File:
    """One built file."""

    body: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path) -> _File:
        body = path.read_bytes()
        return cls(body, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def answer(self, request: Request, caching: str) -> Response:
        headers = {**_HEADERS, "Cache-Control": caching, "ETag": self.etag}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type=self.media_type, headers=headers)


def pages_router(folder: Path = BUILT) -> APIRouter:
    """Make the routes of the pages and of what they load, read from ``folder`` now."""
    pages = {
        path: _File.read(folder / name) for path, name in PAGES.items() if (folder / name).is_file()
    }
    assets = {
        path.name: _File.read(path)
        for path in sorted((folder / "assets").glob("*"))
        if path.suffix in _MEDIA_TYPES
    }
    router = APIRouter(include_in_schema=False)

    @allow(Role.OPEN)
    async def page(request: Request) -> Response:
        """One of the service's pages."""
        file = pages.get(request.scope["route"].path)
        return file.answer(request, _ASK_FIRST) if file else _not_built()

    for path in PAGES:
        router.add_api_route(path, page, methods=["GET"])

    @router.get("/assets/{name}")
    @allow(Role.OPEN)
    async def asset(request: Request, name: str) -> Response:
        """What a page loads: by its whole name, so nothing leads out of the folder."""
        file = assets.get(name)
        if file is None:
            raise NotFoundError(f"the pages have no file {name}")
        return file.answer(request, _FOR_EVER)

    return router


def documentation_router(folder: Path = DOCUMENTATION) -> APIRouter:
    """Make the routes of the documentation's pages, those that lie in ``folder`` now."""
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix in _MEDIA_TYPES
    }
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    @allow(Role.OPEN)
    async def documentation() -> Response:
        """Lead to the first page; from there all links are to names."""
        if not files:
            return _not_built("The documentation is", "make docs")
        return RedirectResponse("docs/index.html", 307, _HEADERS)

    @router.get("/docs/{name:path}")
    @allow(Role.OPEN)
    async def document(request: Request, name: str) -> Response:
        """One of its files: by its whole name, so nothing leads out of the folder."""
        path = files.get(name or "index.html")
        if path is None:
            raise NotFoundError(f"the documentation has no page {name}")
        file = await asyncio.to_thread(_File.read, path)
        return file.answer(request, _ASK_FIRST)

    return router


def _not_built(what: str = "The pages are", command: str = "make pages") -> Response:
    body = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Volition</title>
<h1>{what} not built here</h1>
<p>The service itself runs: <a href="/healthz">/healthz</a>,
<a href="/openapi.json">/openapi.json</a>. A wheel holds the pages. In a checkout,
<code>{command}</code> builds them; start the service again after it.</p>
"""
    return HTMLResponse(body, 503, {**_HEADERS, "Cache-Control": "no-store"})
