"""Networks: what is run, and all that is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.benchmarks.faults.hostile.onnx_files import (
    doubler,
    manifest,
    message,
    model,
    node,
    number,
    tensor,
)
from volition.decoders.fitting.network import (
    LARGEST_BYTES,
    Network,
    NetworkManifest,
    load_network,
    read_manifest,
    save_network,
    shipped_networks,
)
from volition.decoders.fitting.onnx_outline import outline
from volition.errors import ModelError


def test_a_network_gives_its_outputs_by_name() -> None:
    content = doubler()
    network = Network(manifest(content), content)
    found = network.run(x=[[1, 2, 3]])
    np.testing.assert_array_equal(found["y"], np.array([[2, 4, 6]], dtype=np.float32))
    assert found["y"].dtype == np.float32


def test_what_is_carried_on_goes_in_where_it_came_out() -> None:
    content = model(
        [node("Add", ["x", "sum_in"], ["sum_out"]), node("Neg", ["sum_out"], ["y"])],
        {"x": (1, 3), "sum_in": (1, 3)},
        {"y": (1, 3), "sum_out": (1, 3)},
    )
    inputs = [{"name": name, "shape": [1, 3], "unit": "1"} for name in ("x", "sum_in")]
    outputs = [{"name": name, "shape": [1, 3], "unit": "1"} for name in ("y", "sum_out")]
    joined = [{"input": "sum_in", "output": "sum_out"}]
    network = Network(manifest(content, inputs=inputs, outputs=outputs, state=joined), content)
    found, state = network.step(network.start(), x=np.full((1, 3), 1.0))
    assert (list(found), list(state)) == (["y"], ["sum_in"])
    for step in (2.0, 3.0):
        found, state = network.step(state, x=np.full((1, 3), step))
    assert found["y"].tolist() == [[-6.0, -6.0, -6.0]]
    again, _ = network.step(network.start(), x=np.full((1, 3), 5.0))
    assert again["y"].tolist() == [[-5.0, -5.0, -5.0]]


def test_it_comes_back_from_its_files_by_the_name_of_either(tmp_path: Path) -> None:
    content = doubler()
    made = NetworkManifest.of(
        content, **manifest(content).model_dump(mode="json", exclude={"opset", "sha256"})
    )
    assert made == manifest(content)
    path = save_network(tmp_path, made, content)
    for name in (path, path.with_suffix(".onnx"), tmp_path / "doubler"):
        again = load_network(name, "test")
        assert again.manifest == made
        assert again.version == Network(made, content).version
    other = Network(made.model_copy(update={"licence": "MIT"}), content)
    assert other.version != Network(made, content).version
    with pytest.raises(ModelError, match=r"other was given the network .* for test"):
        load_network(path, "other")


def test_one_that_is_not_there_is_told_with_those_that_ship(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"doubler\.json and .*doubler\.onnx not found.*shipped: "):
        load_network(tmp_path / "doubler")
    save_network(tmp_path, manifest(doubler()), doubler())
    (tmp_path / "doubler.onnx").unlink()
    with pytest.raises(ModelError, match=r"network .*: \S*doubler\.onnx not found"):
        load_network(tmp_path / "doubler")


@pytest.mark.parametrize("name", sorted(shipped_networks()))
def test_each_network_that_ships_is_what_its_manifest_says(name: str) -> None:
    assert load_network(name).manifest.name == name


WRONG: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "hash": (doubler(), {"sha256": "0" * 64}, "SHA-256 must be 0{64}; found [0-9a-f]{64}"),
    "opset": (doubler(), {"opset": 18}, "operator set 18 .* found 17"),
    "old opset": (doubler(opset=9), {"opset": 9}, "of 13 to .* found 9"),
    "operators": (
        doubler(nodes=[node("Tile", ["x", "two"], ["y"])]),
        {},
        "uses the operators Tile; allowed: Abs,",
    ),
    "a domain": (
        doubler(nodes=[node("Mul", ["x", "two"], ["y"], message(7, "com.mine"))]),
        {},
        "operators com.mine::Mul",
    ),
    "another set": (
        doubler(extra=message(8, message(1, "com.mine") + number(2, 1))),
        {},
        "found 17 and com.mine",
    ),
    "a loop": (
        doubler(nodes=[node("Loop", ["x"], ["y"], message(5, message(6, b"")))]),
        {},
        "loops or branches",
    ),
    "functions": (doubler(extra=message(25, b"")), {}, "defines functions"),
    "weights elsewhere": (
        doubler(extra=message(7, message(5, tensor("w", [1.0]) + number(14, 1)))),
        {},
        "one graph",
    ),
    "an input's shape": (
        doubler(inputs={"x": (1, 4)}, outputs={"y": (1, 4)}),
        {},
        r"inputs x \(1, 3\) .* found x \(1, 4\)",
    ),
    "an output's name": (
        doubler(),
        {"outputs": [{"name": "z", "shape": [1, 3], "unit": "1"}]},
        r"outputs z .* found y",
    ),
    "a type": (
        doubler(),
        {"inputs": [{"name": "x", "shape": [1, 3], "unit": "1", "dtype": "int64"}]},
        r"tensor\(int64\) .* found x \(1, 3\) tensor\(float\)",
    ),
    "a graph that does not fit": (
        doubler(nodes=[node("Mul", ["x", "three"], ["y"])]),
        {},
        "cannot be opened",
    ),
    "an empty file": (b"", {}, "not an ONNX file"),
    "text": (b"no network at all", {}, "ONNX file"),
    "a file cut off": (doubler()[:-9], {}, "ONNX file"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_as_the_manifest_says_is_refused_with_its_name(what: str) -> None:
    content, changes, said = WRONG[what]
    with pytest.raises(ModelError, match=said):
        Network(manifest(content, **changes), content)


def test_weights_in_other_files_are_never_read() -> None:
    outside = tensor("two", [2.0]) + number(14, 1)
    graph = message(1, node("Mul", ["x", "two"], ["y"])) + message(5, outside)
    content = number(1, 8) + message(7, graph) + message(8, number(2, 17))
    with pytest.raises(ModelError, match="weights in other files"):
        Network(manifest(content), content)


def test_a_file_that_is_too_large_is_refused_before_it_is_looked_at() -> None:
    content = bytes(LARGEST_BYTES + 1)
    with pytest.raises(ModelError, match=f"at most {LARGEST_BYTES}"):
        Network(manifest(content), content)


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"version": 3}, "version"),
    "another format": ({"format": 2}, "format"),
    "no licence": ({"licence": ""}, "licence"),
    "a path for a name": ({"name": "../doubler"}, "name"),
    "no inputs": ({"inputs": []}, "inputs"),
    "a huge input": (
        {"inputs": [{"name": "x", "shape": [2**20, 2**20], "unit": "1"}]},
        "x has 1.1e",
    ),
    "two of one name": ({"inputs": 2 * [{"name": "x", "shape": [1, 3], "unit": "1"}]}, "own"),
    "a state of nothing": ({"state": [{"input": "x", "output": "h"}]}, "joins x and h"),
    "a state of two shapes": (
        {
            "state": [{"input": "x", "output": "y"}],
            "outputs": [{"name": "y", "shape": [3, 1], "unit": "1"}],
        },
        "fixed shape",
    ),
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_wrong_manifest_is_refused_with_the_field(what: str) -> None:
    changes, said = MANIFESTS[what]
    right = manifest(doubler()).model_dump(mode="json")
    assert read_manifest(json.dumps(right), "it") == manifest(doubler())
    with pytest.raises(ModelError, match=said):
        read_manifest(json.dumps(right | changes), "it")
    with pytest.raises(ModelError, match="manifest of it"):
        read_manifest(b"\xff{", "it")


def test_inputs_that_are_missing_unknown_or_of_another_shape_are_refused() -> None:
    content = doubler()
    network = Network(manifest(content), content)
    with pytest.raises(ModelError, match="takes x; found nothing"):
        network.run()
    with pytest.raises(ModelError, match="takes x; found x, z"):
        network.run(x=np.zeros((1, 3)), z=0)
    with pytest.raises(ModelError, match=r"shape \(1, 3\); found \(3,\)"):
        network.run(x=np.zeros(3))


def test_an_axis_may_have_any_length_where_the_manifest_names_it() -> None:
    content = doubler(inputs={"x": ("batch", 3)}, outputs={"y": ("batch", 3)})
    spec = [{"shape": ["batch", 3], "unit": "1"}]
    network = Network(
        manifest(content, inputs=[{"name": "x", **spec[0]}], outputs=[{"name": "y", **spec[0]}]),
        content,
    )
    assert network.run(x=np.ones((5, 3)))["y"].shape == (5, 3)
    with pytest.raises(ModelError, match="shape"):
        network.run(x=np.ones((5, 4)))


@hypothesis.given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 40))
def test_bytes_of_any_kind_are_read_or_refused(noise: bytes, at: int, cut: int) -> None:
    content = doubler()
    broken = content[:at] + noise + content[at + cut :]
    try:
        found = outline(broken)
    except ModelError:
        return
    assert found.opsets
