"""The model registry, over REST: list, show, upload, download, remove.

An upload is JSON with the file as base64, its hash and its card; it is refused whole unless all of
it fits (`volition.models.registry`). A version that a live session runs cannot be removed.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from volition.errors import SessionError
from volition.models.manifest import NAME_PATTERN, VERSION_PATTERN, Manifest
from volition.models.registry import ReadOnlyModelError, shipped_manifests
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM, location
from volition.service.sessions.named_models import model_registry
from volition.service.wire.models import ModelList, ModelUpload, ModelVersions

_OF_ONE: dict[int | str, dict[str, Any]] = {404: PROBLEM, 422: PROBLEM, 503: PROBLEM}

Name = Annotated[str, Path(pattern=NAME_PATTERN, description="The model's name.")]
Version = Annotated[str, Path(pattern=VERSION_PATTERN, description="Twelve hexadecimal digits.")]


def models_router() -> APIRouter:
    """Make the routes below ``/v1/models``."""
    router = APIRouter(prefix="/v1", tags=["models"])

    @router.get("/models", responses={503: PROBLEM})
    @allow(Role.READ)
    def list_models() -> ModelList:
        """List every model, those that ship and those of the registry, newest version first."""
        return ModelList(models=model_registry().all_versions())

    @router.post("/models", status_code=201, responses={409: PROBLEM, 422: PROBLEM, 503: PROBLEM})
    @allow(Role.ADMIN, uploads=True)
    def add_model(request: Request, response: Response, body: ModelUpload) -> Manifest:
        """Keep a model as the newest version of its name, if its file matches its card."""
        made = model_registry().add(body.name, body.content, body.card, sha256=body.sha256)
        response.headers["Location"] = location(request, f"/v1/models/{made.name}/{made.version}")
        return made

    @router.get("/models/{name}", responses=_OF_ONE)
    @allow(Role.READ)
    def list_model_versions(name: Name) -> ModelVersions:
        """List the versions of a model, newest first."""
        return ModelVersions(name=name, versions=model_registry().versions(name))

    @router.delete("/models/{name}", status_code=204, responses={**_OF_ONE, 409: PROBLEM})
    @allow(Role.ADMIN)
    def remove_model(request: Request, name: Name) -> None:
        """Remove every version of a model; a model that does not exist is no error."""
        _refuse_in_use(request, name, None)
        registry = model_registry()
        for one in registry.all_versions():
            if one.name == name:
                registry.remove(name, one.version)

    @router.get("/models/{name}/{version}", responses=_OF_ONE)
    @allow(Role.READ)
    def get_model_version(name: Name, version: Version) -> Manifest:
        """Give the manifest of one version."""
        return model_registry().find(f"{name}@{version}")

    @router.get(
        "/models/{name}/{version}/content",
        response_class=Response,
        responses={
            200: {
                "content": {"application/octet-stream": {"schema": {"type": "string"}}},
                "description": "The model's file.",
            },
            **_OF_ONE,
        },
    )
    @allow(Role.ADMIN)
    def download_model(name: Name, version: Version) -> Response:
        """Give the file of one version."""
        registry = model_registry()
        found = registry.find(f"{name}@{version}")
        return Response(registry.content(found), media_type="application/octet-stream")

    @router.delete("/models/{name}/{version}", status_code=204, responses={**_OF_ONE, 409: PROBLEM})
    @allow(Role.ADMIN)
    def remove_model_version(request: Request, name: Name, version: Version) -> None:
        """Remove one version; a version that does not exist is no error."""
        _refuse_in_use(request, name, version)
        model_registry().remove(name, version)

    return router


def _refuse_in_use(request: Request, name: str, version: str | None) -> None:
    """Raise where a model may not be removed: it ships, or a live session may need it again."""
    if name in shipped_manifests():
        raise ReadOnlyModelError(f"the model {name!r} ships with Volition")
    for session in tuple(request.app.state.supervisor.sessions.values()):
        if session.state.final:
            continue
        for used in session.models_in_use():
            used_name, _, used_version = used.partition("@")
            if used_name == name and version in (None, used_version):
                raise SessionError(f"session {session.id} uses the model {used}; stop it first")
