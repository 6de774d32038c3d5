"""The configurations that ship."""

from __future__ import annotations

import itertools

from fastapi import APIRouter

from volition.service.gateway.auth import Role, allow
from volition.service.sessions.config import preset_names, preset_text
from volition.service.wire.presets import PresetList, PresetView


def presets_router() -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", tags=["presets"])

    @router.get("/presets")
    @allow(Role.READ)
    def list_presets() -> PresetList:
        """List the configurations that ship, each with its file's text."""
        return PresetList(presets=[_preset(name) for name in preset_names()])

    return router


def _preset(name: str) -> PresetView:
    text = preset_text(name)
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return PresetView(name=name, about=" ".join(line[1:].strip() for line in head), text=text)
