"""Does a model fit what its card says of it: tried, not read off.

The decoder of the card's settings is made with the model, prepared for the card's input and given
noise and a marker, with a missing sample among them. What a session would refuse when it starts is
so refused before the model is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel, read_model
from volition.decoders.fitting.network import Network, read_manifest
from volition.errors import ModelError, VolitionError
from volition.models.manifest import ModelCard

_TRIED_S = 2.0
_MOST_TRIED = 20_000


def check_content(content: bytes, card: ModelCard, name: str) -> tuple[str, Literal["npz", "onnx"]]:
    """Check a file against its card; give its version and format.

    Raises
    ------
    ModelError
        It is none that can be run, or not what the card says.
    """
    if card.network is None:
        model = read_model(content, f"the content of {name}")
        check_fits(model, card)
        return model.version, "npz"
    manifest = read_manifest(json.dumps(card.network), name)
    if manifest.kind != card.kind:
        raise ModelError(
            f"the network is for {manifest.kind}, its card says {card.kind}",
            found=manifest.kind,
            expected=card.kind,
        )
    network = Network(manifest, content)
    if card.decoder is None:
        raise ModelError(f"the card of a network for {card.kind} must hold the decoder's settings")
    cls = registry.decoders_by_kind().get(card.kind)
    if cls is None or "network" not in cls.settings_model.model_fields:
        raise ModelError(f"no decoder of kind {card.kind!r} runs a network", found=card.kind)
    settings = _validated(cls.settings_model, {**card.decoder, "network": None})
    _run(cls(settings), network, _spec_of(network.manifest.facts, card))
    return network.version, "onnx"


def check_fits(model: FittedModel, card: ModelCard) -> None:
    """Try a model as its card says that it is used.

    Raises
    ------
    ModelError
        The kind, the settings or the shapes are not those of the model.
    """
    if model.kind != card.kind:
        raise ModelError(
            f"the model is of kind {model.kind}, its card says {card.kind}",
            found=model.kind,
            expected=card.kind,
        )
    settings = _settings_of(model, card)
    cls = registry.decoders_by_kind()[card.kind]
    _run(cls(settings), model, _spec_of(model.facts, card))


def _run(decoder: Any, model: FittedModel | Network, spec: SignalSpec) -> None:
    decoder.use(model)
    try:
        decoder.prepare(spec)
        _try(decoder, spec)
    except VolitionError as error:
        raise ModelError(f"the model does not fit its card: {error.message}") from None


def _settings_of(model: FittedModel, card: ModelCard) -> Settings:
    kinds = {
        kind: cls
        for kind, cls in registry.decoders_by_kind().items()
        if issubclass(cls, FittedDecoder) and "network" not in cls.settings_model.model_fields
    }
    if card.kind not in kinds:
        raise ModelError(
            f"no decoder of kind {card.kind!r} takes a model; allowed: {', '.join(sorted(kinds))}",
            found=card.kind,
            allowed=sorted(kinds),
        )
    given = card.decoder or model.facts.get("settings")
    if not isinstance(given, dict):
        raise ModelError(
            f"the card of a model for {card.kind} must hold the decoder's settings (decoder); "
            "'volition models add --session FILE' takes them from a session"
        )
    return _validated(kinds[card.kind].settings_model, {**given, "model": None})


def _validated(settings_model: type[Settings], given: dict[str, Any]) -> Settings:
    try:
        return settings_model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "decoder"
        raise ModelError(f"the card's decoder is wrong: {where}: {first['msg']}") from None


def _spec_of(facts: Mapping[str, Any], card: ModelCard) -> SignalSpec:
    rate_hz = card.input.rate_hz or facts.get("rate_hz")
    n_channels = len(card.input.labels) or card.input.n_channels or facts.get("n_channels") or None
    if not isinstance(rate_hz, int | float) or not isinstance(n_channels, int):
        raise ModelError(
            f"the card of a model for {card.kind} must say its input: rate_hz, and labels or "
            "n_channels"
        )
    labels = tuple(card.input.labels) or tuple(str(i + 1) for i in range(n_channels))
    return SignalSpec(float(rate_hz), labels)


def _try(decoder: Any, spec: SignalSpec) -> None:
    """Run it on noise, so that what is wrong with a shape is seen where it is used."""
    settings = decoder.settings
    window_s = getattr(settings, "window_s", 0.0) + getattr(settings, "delay_s", 0.0)
    n_samples = min(_MOST_TRIED, round((window_s + _TRIED_S) * spec.rate_hz) + 1)
    samples = np.random.default_rng(0).standard_normal((n_samples, spec.n_channels))
    samples[n_samples // 16] = np.nan
    times = np.arange(n_samples) / spec.rate_hz
    names = getattr(settings, "onset_markers", None) or ["trial_start"]
    onset = Event(float(times[n_samples // 8]), names[0])
    try:
        decoder.decode(Chunk(samples, times), [onset])
    except (ValueError, IndexError, KeyError, TypeError, ArithmeticError) as error:
        raise ModelError(f"decoding by it fails: {error}") from None
