"""What is brought from elsewhere is tried where it may crash."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from volition.benchmarks.faults.hostile.networks import dividing, doubling, remembering, slow, whole
from volition.benchmarks.faults.hostile.onnx_files import node
from volition.chunk import SignalSpec
from volition.decoders.kinematics.methods.recurrent import RecurrentSettings
from volition.errors import ModelError
from volition.models import trial
from volition.models.manifest import named_model
from volition.models.registry import ModelRegistry
from volition.models.trial import try_content
from volition.service.sessions import named_models
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import Engine


@pytest.mark.skipif(os.name != "posix", reason="Windows bounds no process so")
@pytest.mark.parametrize("made", [dividing, lambda: doubling(27)], ids=["division", "memory"])
def test_a_network_that_ends_its_process_or_fills_it_is_refused_in_words(made: Any) -> None:
    content, card = made()
    assert len(content) < 20_000
    with pytest.raises(ModelError, match=r"cannot be|needs more|ended"):
        try_content(content, card, "net")


@pytest.mark.skipif(os.name != "posix", reason="Windows bounds no process so")
def test_a_network_without_end_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MOST_S", 1.0)
    monkeypatch.setattr(trial, "_START_S", 2.0)
    content, card = slow(4000)
    # A fast processor comes to the bound of memory before that of time.
    with pytest.raises(ModelError, match=r"took more than 1 s|bad_alloc"):
        try_content(content, card, "net")


def test_a_small_network_that_remembers_is_kept_and_a_session_decodes_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_models, "models_folder", lambda: tmp_path)
    content, card = remembering([node("ReduceMax", ["features"], ["more"], whole("keepdims", 1))])
    kept = ModelRegistry(tmp_path).add("mine", content, card)
    assert (kept.format, kept.kind) == ("onnx", "recurrent")
    config = parse_config(
        {"stream": {"type": "x"}, "decoder": {"kind": "recurrent", "network": "mine"}}
    )
    config = named_models.pinned(config)
    assert isinstance(config.decoder, RecurrentSettings)
    assert named_model(config.decoder) == kept.reference
    engine = Engine(config, SignalSpec(20.0, ("a", "b", "c")))
    assert engine.decoder.model_version == kept.version
