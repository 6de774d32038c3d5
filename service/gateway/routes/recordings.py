"""What was recorded, over REST: list, download, delete.

An id is a file's name in the one folder of recordings, without its suffix. It can hold no
separator, and what it leads to must be a plain file there, so that no name, whatever it is, leaves
the folder. A recording that still grows is downloaded as far as it is; it cannot be deleted.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from pathlib import Path as FilePath
from stat import S_ISREG
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from volition.children import python_module
from volition.errors import RecordingError, SessionError
from volition.incoming import readable
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM
from volition.service.sessions.folders import recordings_folder
from volition.service.wire.recordings import RecordingList, RecordingView

_BLOCK_BYTES = 1 << 18
_MOST_REPORT_S = 120.0
_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,159}$"
_MADE_BY_A_SESSION = re.compile(r"(.+)-\d{8}T\d{6}Z-(\d+)(?:-\d+)?")

RecordingId = Annotated[str, Path(pattern=_ID_PATTERN, description="The name of the recording.")]


class NoRecordingError(RecordingError):
    code = "no-recording"


def recordings_router() -> APIRouter:
    """Make the routes below ``/v1/recordings``."""
    router = APIRouter(prefix="/v1", tags=["recordings"])

    @router.get("/recordings", responses={503: PROBLEM})
    @allow(Role.ADMIN)
    def list_recordings(request: Request) -> RecordingList:
        """List all recordings, newest first."""
        growing = _growing(request)
        views = [_view(path, growing) for path in _paths()]
        views.sort(key=lambda view: view.changed_utc, reverse=True)
        return RecordingList(recordings=views)

    @router.get(
        "/recordings/{id}",
        response_class=StreamingResponse,
        responses={
            200: {
                "content": {"application/octet-stream": {"schema": {"type": "string"}}},
                "description": "The XDF file.",
            },
            404: PROBLEM,
            422: PROBLEM,
            503: PROBLEM,
        },
    )
    @allow(Role.ADMIN)
    def download_recording(id: RecordingId) -> StreamingResponse:
        """Download a recording as an XDF file; while it grows, as far as it is written."""
        file = _open(_path_of(id))
        n_bytes = file.seek(0, 2)
        file.seek(0)
        return StreamingResponse(
            _blocks(file, n_bytes),
            media_type="application/octet-stream",
            headers={
                "Content-Length": str(n_bytes),
                "Content-Disposition": f'attachment; filename="{id}.xdf"',
            },
        )

    is_writing = asyncio.Lock()

    @router.get(
        "/recordings/{id}/report",
        response_class=Response,
        responses={
            200: {
                "content": {"text/html": {"schema": {"type": "string"}}},
                "description": "A page that needs no network.",
            },
            404: PROBLEM,
            409: PROBLEM,
            422: PROBLEM,
            503: PROBLEM,
        },
    )
    @allow(Role.ADMIN)
    async def report_on_recording(request: Request, id: RecordingId) -> Response:
        """Write a page of a recording: trials, decisions, latency, signal, what happened."""
        path = _path_of(id)
        await asyncio.to_thread(lambda: _open(path).close())
        if path.name in _growing(request):
            raise SessionError(f"{id} is being recorded; stop its session first")
        if is_writing.locked():
            raise SessionError("another report is being written; ask again when it is done")
        async with is_writing:
            page = await _report(path)
        # As a page of ours it may run nothing, and it is for keeping.
        headers = {
            "Content-Disposition": f'attachment; filename="{id}.html"',
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        return Response(page, media_type="text/html; charset=utf-8", headers=headers)

    @router.delete(
        "/recordings/{id}",
        status_code=204,
        responses={409: PROBLEM, 422: PROBLEM, 503: PROBLEM},
    )
    @allow(Role.ADMIN)
    def delete_recording(request: Request, id: RecordingId) -> None:
        """Delete a recording; one that does not exist is no error."""
        path = _path_of(id)
        if path.name in _growing(request):
            raise SessionError(f"{id} is being recorded; stop its session first")
        if _is_recording(path):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise RecordingError(f"{id} cannot be deleted: {error.strerror}") from error

    return router


async def _report(path: FilePath) -> bytes:
    """Have a process of its own write the page: a long recording keeps nobody waiting."""
    with tempfile.TemporaryDirectory() as folder:
        out = FilePath(folder) / "report.html"
        command = python_module(
            "volition.service.cli", "recordings", "report", str(path), "--out", str(out)
        )
        writing = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
        try:
            _, said = await asyncio.wait_for(writing.communicate(), _MOST_REPORT_S)
        except TimeoutError:
            raise RecordingError(
                f"no report of {path.stem} within {_MOST_REPORT_S:g} s; 'volition recordings "
                "report' takes as long as is needed"
            ) from None
        finally:
            if writing.returncode is None:
                writing.kill()
                await writing.wait()
        if writing.returncode:
            why = readable(said.decode("utf-8", "replace").strip().rpartition("\n")[2])
            raise RecordingError(f"there is no report of {path.stem}: {why}")
        return await asyncio.to_thread(out.read_bytes)


def _path_of(id: str) -> FilePath:
    return recordings_folder() / f"{id}.xdf"


def _paths() -> list[FilePath]:
    folder = recordings_folder()
    try:
        return [path for path in folder.glob("*.xdf") if _is_recording(path)]
    except OSError as error:
        raise RecordingError(f"the recordings cannot be listed: {error.strerror}") from error


def _is_recording(path: FilePath) -> bool:
    """Whether it is a plain file, no link to one, with a name that is an id."""
    if not re.fullmatch(_ID_PATTERN, path.stem):
        return False
    try:
        return S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _open(path: FilePath) -> IO[bytes]:
    if not _is_recording(path):
        known = ", ".join(sorted(one.stem for one in _paths())[:20]) or "none"
        raise NoRecordingError(f"there is no recording {path.stem}; there are: {known}")
    try:
        return path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path.stem} cannot be read: {error.strerror}") from error


def _blocks(file: IO[bytes], n_bytes: int) -> Iterator[bytes]:
    """Give the first ``n_bytes`` of a file, in blocks, and close it."""
    with file:
        while n_bytes > 0 and (block := file.read(min(n_bytes, _BLOCK_BYTES))):
            n_bytes -= len(block)
            yield block


def _growing(request: Request) -> set[str]:
    """Names of the files that sessions record into now."""
    names = set()
    for session in tuple(request.app.state.supervisor.sessions.values()):
        recording: dict[str, Any] | None = session.recording
        if recording and recording["file"] and not session.state.final:
            names.add(recording["file"])
    return names


def _view(path: FilePath, growing: set[str]) -> RecordingView:
    made = _MADE_BY_A_SESSION.fullmatch(path.stem)
    try:
        known = path.stat()
        n_bytes, changed = known.st_size, known.st_mtime
    except OSError:
        n_bytes, changed = 0, 0.0  # deleted just now
    return RecordingView(
        id=path.stem,
        session=made.group(1) if made else None,
        epoch=int(made.group(2)) if made else None,
        bytes=n_bytes,
        changed_utc=changed,
        growing=path.name in growing,
    )
