"""Networks that do harm where they run: they divide by nought, grow without bound, never end.

Each is a recurrent decoder's, of three features, and small to send.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from volition.benchmarks.faults.hostile.onnx_files import manifest, message, model, node, number
from volition.models.manifest import ModelCard, ModelInput

EQUATION = message(5, message(1, "equation") + message(4, "ij,jk->ik") + number(20, 3))
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
    """Say what the network is for."""
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


def uploads() -> list[dict[str, Any]]:
    """Give the bodies of requests that upload them."""
    return [_upload(*made) for made in (dividing(), doubling(27), slow(4000))]


def _upload(content: bytes, card: ModelCard) -> dict[str, Any]:
    return {
        "name": "net",
        "card": card.model_dump(mode="json"),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": base64.b64encode(content).decode(),
    }
