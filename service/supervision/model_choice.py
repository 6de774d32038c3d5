"""Which decoder a choice of model means, and what decodes in a session now."""

from __future__ import annotations

import contextlib
from typing import Any

from volition.decoders.contract.settings import Settings
from volition.errors import ConfigError
from volition.models.manifest import Manifest, named_model, naming_setting
from volition.models.registry import is_shipped
from volition.service.sessions.config import AnyDecoderSettings, parse_config
from volition.service.sessions.named_models import is_reference, model_registry
from volition.service.supervision.session import Change, Session
from volition.service.wire.models import ChangedSetting, ModelChange, ModelUse
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


def change_view(change: Change) -> ModelChange:
    """Show a change of what decodes."""
    return ModelChange(
        change=change.id,
        decoder=change.decoder.kind,
        model=named_model(change.decoder),
        state=change.state,
        reason=change.reason,
    )


def settings_of(session: Session, choice: ModelChoice) -> AnyDecoderSettings:
    """Give the settings of the decoder that a choice means, its model pinned to a version.

    Raises
    ------
    ConfigError
        The settings that the model was made with are none of this service's.
    ModelError
        There is no such model.
    """
    given = set() if choice.decoder is None else choice.decoder.model_fields_set
    if choice.model is None:
        assert choice.decoder is not None
        return _kept(session, choice.decoder, given)
    current = choice.decoder or session.config.decoder
    setting = naming_setting(current) or "model"
    wanted = {**current.model_dump(mode="json"), setting: choice.model}
    if is_reference(choice.model) or is_shipped(choice.model):
        manifest = model_registry().find(choice.model)
        wanted[setting] = manifest.reference
        if choice.decoder is None:
            wanted = manifest.settings_for(current)
    return _kept(session, _parsed(session, wanted), given)


def settings_for_manifest(
    session: Session, manifest: Manifest, given: Settings | None = None
) -> AnyDecoderSettings:
    """Give the settings of the decoder that a model of the registry was made with.

    What belongs to the session stays as it is there, but for what ``given`` settings name.
    """
    made = _parsed(session, manifest.settings_for(session.config.decoder))
    return _kept(session, made, set() if given is None else given.model_fields_set)


def changed_settings(before: Settings, now: Settings) -> list[ChangedSetting]:
    """Name the settings that two decoders have in common and that differ."""
    old, new = (one.model_dump(mode="json") for one in (before, now))
    passed_over = {"kind", naming_setting(before), naming_setting(now)}
    return [
        ChangedSetting(setting=name, before=old[name], now=new[name])
        for name in new
        if name in old and name not in passed_over and old[name] != new[name]
    ]


def _kept(session: Session, wanted: AnyDecoderSettings, given: set[str]) -> AnyDecoderSettings:
    """Give settings in which what belongs to the session, and is not given, is as it is there.

    What a model cannot do, as to stop early within a window that is shorter, is left to it.
    """
    plain = wanted.model_dump(mode="json")
    current = session.config.decoder.model_dump(mode="json")
    names = [n for n in wanted.kept_by_session if n in current and n in plain and n not in given]
    while any(plain[name] != current[name] for name in names):
        with contextlib.suppress(ConfigError):
            return _parsed(session, {**plain, **{name: current[name] for name in names}})
        names.pop()
    return wanted


def _parsed(session: Session, decoder: dict[str, Any]) -> AnyDecoderSettings:
    config = session.config.model_dump(mode="json") | {"decoder": decoder}
    return parse_config(config, "the model's decoder").decoder
