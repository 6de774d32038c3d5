"""What is brought from elsewhere is tried where it may crash."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.decoders.onnx_files import manifest, message, model, node, number
from volition.chunk import SignalSpec
from volition.decoders.kinematics.methods.recurrent import RecurrentSettings
from volition.errors import ModelError
from volition.models import trial
from volition.models.manifest import ModelCard, ModelInput, named_model
from volition.models.registry import ModelRegistry
from volition.models.trial import try_content
from volition.service.sessions import named_models
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import Engine

SHAPES: dict[str, tuple[int | str, ...]] = {"features": (1, 3), "h": (1, 2)}


def whole(name: str, value: int) -> bytes:
    """Give an attribute of a node: a whole number."""
    return message(5, message(1, name) + number(3, value) + number(20, 2))


def remembering(nodes: list[bytes], **weights: Any) -> tuple[bytes, ModelCard]:
    """Give a recurrent network whose velocity is ``h`` plus what `nodes` call ``more`` (1, 1)."""
    rest = [
        node("Add", ["h", "more"], ["velocity"]),
        node("Mul", ["h", "half"], ["h_next"]),
    ]
    results: dict[str, tuple[int | str, ...]] = {"velocity": (1, 2), "h_next": (1, 2)}
    content = model([*nodes, *rest], dict(SHAPES), results, {"half": [0.5], **weights})
    described = manifest(
        content,
        kind="recurrent",
        inputs=[{"name": name, "shape": shape, "unit": "1"} for name, shape in SHAPES.items()],
        outputs=[{"name": name, "shape": shape, "unit": "1"} for name, shape in results.items()],
        state=[{"input": "h", "output": "h_next"}],
    )
    return content, card_of(described.model_dump(mode="json"))


def card_of(network: dict[str, Any]) -> ModelCard:
    return ModelCard(
        kind="recurrent",
        decoder={"kind": "recurrent"},
        network=network,
        input=ModelInput(rate_hz=20.0, n_channels=3),
    )


def dividing() -> tuple[bytes, ModelCard]:
    """Divide the smallest of the 64-bit numbers by minus one."""
    nodes = [
        node("ReduceSum", ["features"], ["s"], whole("keepdims", 1)),
        node("Mul", ["s", "zero"], ["z"]),
        node("Add", ["z", "low"], ["a"]),
        node("Cast", ["a"], ["ai"], whole("to", 7)),
        node("Cast", ["minus"], ["bi"], whole("to", 7)),
        node("Div", ["ai", "bi"], ["q"]),
        node("Cast", ["q"], ["more"], whole("to", 1)),
    ]
    return remembering(nodes, zero=[0.0], low=[-(2.0**63)], minus=[-1.0])


def doubling(n: int) -> tuple[bytes, ModelCard]:
    """Put a small tensor together with itself ``n`` times over."""
    nodes = [node("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], whole("axis", 0)) for i in range(n)]
    nodes[0] = node("Concat", ["features"] * 2, ["c1"], whole("axis", 0))
    nodes.append(node("ReduceMax", [f"c{n}"], ["m"], whole("keepdims", 1)))
    nodes.append(node("Mul", ["m", "zero"], ["more"]))
    return remembering(nodes, zero=[0.0])


def slow(n: int) -> tuple[bytes, ModelCard]:
    """Multiply large matrices, again and again."""
    nodes = [node("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], whole("axis", 0)) for i in range(9)]
    nodes[0] = node("Concat", ["features"] * 2, ["c1"], whole("axis", 0))
    nodes.append(node("MatMul", ["c9", "wide"], ["d0"]))
    nodes += [node("Einsum", [f"d{i}", f"d{i}"], [f"d{i + 1}"], EQUATION) for i in range(n)]
    nodes.append(node("ReduceMax", [f"d{n}"], ["m"], whole("keepdims", 1)))
    nodes.append(node("Mul", ["m", "zero"], ["more"]))
    return remembering(nodes, zero=[0.0], wide=[[1e-3] * 512] * 3)


EQUATION = message(5, message(1, "equation") + message(4, "ij,jk->ik") + number(20, 3))


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
