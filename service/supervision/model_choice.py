"""Which decoder a choice of model means, and what decodes in a session now."""

from __future__ import annotations

from typing import Any

from volition.decoders.contract.settings import Settings
from volition.models.manifest import Manifest, named_model, naming_setting
from volition.models.registry import is_shipped
from volition.service.sessions.config import AnyDecoderSettings, parse_config
from volition.service.sessions.named_models import is_reference, model_registry
from volition.service.supervision.session import Session
from volition.service.wire.models import ModelUse
from volition.service.wire.served import ModelChoice


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
