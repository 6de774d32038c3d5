"""What decodes in a session, over REST: show it, change it while it runs, go back."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from decoders.settings import Settings
from models.manifest import Manifest, named_model, naming_setting
from models.registry import is_shipped
from service.auth import Role, allow
from service.config import AnyDecoderSettings, parse_config
from service.named_models import is_reference, model_registry
from service.requests import PROBLEM, check_reach, session_of
from service.schemas import ModelChoice, ModelSwap, ModelUse, SessionModels
from service.supervisor import Session

_OF_ONE: dict[int | str, dict[str, Any]] = {404: PROBLEM, 422: PROBLEM}


def session_model_router() -> APIRouter:
    """Make the routes below ``/v1/sessions/{id}/model``."""
    router = APIRouter(prefix="/v1")

    @router.get("/sessions/{id}/model", responses=_OF_ONE)
    @allow(Role.READ)
    async def models(request: Request, id: str) -> SessionModels:
        """What decodes in a session, and what did before."""
        session = session_of(request, id)
        earlier = [use_of(one, None) for one in reversed(session.earlier_decoders)]
        return SessionModels(now=model_use(session), earlier=earlier)

    @router.put("/sessions/{id}/model", responses={**_OF_ONE, 409: PROBLEM, 503: PROBLEM})
    @allow(Role.CONTROL)
    async def swap(request: Request, id: str, body: ModelChoice) -> ModelSwap:
        """Decode by another model from the next sample on: none is lost, none decided twice."""
        session = session_of(request, id)
        check_reach(request.scope["caller"], body.model)
        if body.decoder is not None:
            check_reach(request.scope["caller"], named_model(body.decoder))
        decoder = await asyncio.to_thread(settings_of, session, body)
        return ModelSwap.model_validate(await session.swap(decoder))

    @router.post("/sessions/{id}/model/rollback", responses={**_OF_ONE, 409: PROBLEM, 503: PROBLEM})
    @allow(Role.CONTROL)
    async def rollback(request: Request, id: str) -> ModelSwap:
        """Go back to what decoded before the last change."""
        return ModelSwap.model_validate(await session_of(request, id).swap_back())

    return router


def model_use(session: Session) -> ModelUse:
    """Say what decodes in a session."""
    known = session.counts.get("model") or {}
    use = use_of(session.config.decoder, None)
    if known.get("model") == use.model and known.get("decoder") == use.decoder:
        return use.model_copy(update={"version": known.get("version")})
    return use


def use_of(decoder: Settings, version: str | None) -> ModelUse:
    """Say what settings decode by."""
    return ModelUse(decoder=decoder.kind, model=named_model(decoder), version=version)


def settings_of(session: Session, choice: ModelChoice) -> AnyDecoderSettings:
    """Give the settings of the decoder that a choice means, its model pinned to a version.

    Raises
    ------
    ConfigError
        The settings that the model was made with are none of this service's.
    ModelError
        There is no such model.
    """
    if choice.model is None:
        assert choice.decoder is not None
        return choice.decoder
    current = choice.decoder or session.config.decoder
    setting = naming_setting(current) or "model"
    wanted = {**current.model_dump(mode="json"), setting: choice.model}
    if is_reference(choice.model) or is_shipped(choice.model):
        manifest = model_registry().find(choice.model)
        wanted[setting] = manifest.reference
        if choice.decoder is None:
            wanted = manifest.settings_for(current)
    return _parsed(session, wanted)


def settings_for_manifest(session: Session, manifest: Manifest) -> AnyDecoderSettings:
    """Give the settings of the decoder that a model of the registry was made with."""
    return _parsed(session, manifest.settings_for(session.config.decoder))


def _parsed(session: Session, decoder: dict[str, Any]) -> AnyDecoderSettings:
    config = session.config.model_dump(mode="json") | {"decoder": decoder}
    return parse_config(config, "the model's decoder").decoder
