"""The registry keeps whole models, and refuses whatever is not what it says it is."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.benchmarks.faults.hostile import onnx_files
from volition.chunk import SignalSpec
from volition.decoders.fitting.fitted import FittedModel, load_model, shipped_models
from volition.decoders.fitting.network import Network, shipped_networks
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.decoders.ssvep.methods.dnn import INPUT, OUTPUT, DnnSettings
from volition.decoders.ssvep.templates import facts_of
from volition.errors import ConfigError, ModelError
from volition.models.manifest import ModelCard, ModelInput
from volition.models.registry import ModelRegistry, NoModelError, ReadOnlyModelError, RegistryError

SHIPPED = {*shipped_models(), *shipped_networks()}
CARD = ModelCard(kind="kalman", input=ModelInput(rate_hz=50, labels=["a", "b", "c"]))


def fitted(seed: int = 0) -> FittedModel:
    rng = np.random.default_rng(seed)
    velocities = rng.standard_normal((200, 2)).cumsum(axis=0)
    features = velocities @ rng.standard_normal((2, 3)) + rng.standard_normal((200, 3))
    return KalmanDecoder.fit(KalmanSettings(), features, velocities)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_versions_are_numbered_as_they_come_and_a_name_means_the_newest(
    registry: ModelRegistry,
) -> None:
    first = registry.add("hand", fitted(1).to_bytes(), CARD)
    second = registry.add("hand", fitted(2).to_bytes(compressed=True), CARD, origin="calibration")
    assert (first.number, second.number) == (1, 2)
    assert registry.find("hand") == second
    assert registry.find(first.reference) == first
    assert [one.version for one in registry.versions("hand")] == [second.version, first.version]
    opened = registry.open(first.reference)
    assert opened.model.version == fitted(1).version == first.version
    assert first.sha256 == hashlib.sha256(registry.content(first)).hexdigest()


def test_the_same_content_is_the_same_version_and_its_file_is_kept_once(
    registry: ModelRegistry,
) -> None:
    content = fitted().to_bytes()
    assert registry.add("hand", content, CARD) == registry.add("hand", content, CARD)
    registry.add("other", content, CARD)
    assert len(list(registry.folder.glob("*.npz"))) == 1
    registry.remove("hand", fitted().version)
    assert registry.open("other").model.version == fitted().version
    registry.remove("other", fitted().version)
    assert not list(registry.folder.iterdir())


def test_what_ships_is_listed_beside_and_can_neither_be_replaced_nor_removed(
    registry: ModelRegistry,
) -> None:
    assert {one.name for one in registry.all_versions()} == SHIPPED
    assert all(registry.open(name).manifest.origin == "shipped" for name in SHIPPED)
    network = registry.open("flint-run1-gru")
    assert isinstance(network.model, Network)
    assert network.manifest.version == network.model.version
    assert network.manifest.training.source == network.model.manifest.trained_on
    assert network.manifest.bytes == len(registry.content(network.manifest))
    with pytest.raises(ReadOnlyModelError, match="ships"):
        registry.remove("flint-run1-gru", network.manifest.version)
    shipped = registry.open("flint-run1-kalman")
    assert shipped.model.version == load_model("flint-run1-kalman").version
    with pytest.raises(ReadOnlyModelError, match="ships"):
        registry.add("flint-run1-kalman", fitted().to_bytes(), CARD)
    with pytest.raises(ReadOnlyModelError, match="ships"):
        registry.remove("flint-run1-kalman", shipped.manifest.version)


def changed(**fields: Any) -> ModelCard:
    return ModelCard.model_validate({**CARD.model_dump(), **fields})


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (changed(kind="etrca"), "of kind kalman"),
        (changed(input={}), "rate_hz, and labels"),
        (changed(input={"rate_hz": 50, "n_channels": 4}), "4"),
        (changed(decoder={"kind": "kalman", "form": "round"}), "form"),
        (changed(decoder={"kind": "kalman", "features": {"top_k": 2}}), "features"),
        (changed(decoder={"kind": "kalman", "nothing": 1}), "nothing"),
    ],
)
def test_a_model_that_its_card_does_not_fit_is_refused_whole(
    registry: ModelRegistry, card: ModelCard, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        registry.add("hand", fitted().to_bytes(), card)
    assert not registry.folder.exists()


def test_arrays_of_a_wrong_shape_are_refused_by_name(registry: ModelRegistry) -> None:
    model = fitted()
    wrong = FittedModel(model.kind, {**model.arrays, "C": np.zeros((5, 2))}, model.facts)
    with pytest.raises(ModelError, match="does not fit"):
        registry.add("hand", wrong.to_bytes(), CARD)


def pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, manifest=np.array("{}"), bad=np.array([{"a": 1}], dtype=object))
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x.npy", bytes(1 << 20))
        for entry in archive.filelist:
            entry.file_size = 1 << 40
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", pickled(), bomb(), fitted().to_bytes()[:-40]],
    ids=["empty", "cut", "pickled", "bomb", "end-missing"],
)
def test_what_is_no_model_file_is_refused(registry: ModelRegistry, content: bytes) -> None:
    with pytest.raises(ModelError):
        registry.add("hand", content, CARD)
    assert not registry.folder.exists()


def test_a_hash_that_differs_and_a_name_that_is_none_are_refused(registry: ModelRegistry) -> None:
    content = fitted().to_bytes()
    with pytest.raises(ModelError, match="changed on its way"):
        registry.add("hand", content, CARD, sha256="0" * 64)
    for name in ("Hand", "../hand", "", "a" * 65, "hand@1"):
        with pytest.raises(ConfigError, match="no name"):
            registry.add(name, content, CARD)


def test_a_file_that_was_changed_on_the_disk_is_not_used(registry: ModelRegistry) -> None:
    made = registry.add("hand", fitted().to_bytes(), CARD)
    path = registry.folder / f"{made.sha256}.npz"
    path.write_bytes(fitted(5).to_bytes())
    with pytest.raises(ModelError, match="damaged"):
        registry.open("hand")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_or_a_huge_file_in_the_folder_keeps_nobody_waiting(registry: ModelRegistry) -> None:
    made = registry.add("hand", fitted().to_bytes(), CARD)
    os.mkfifo(registry.folder / f"hand@{'0' * 12}.json")
    with (registry.folder / f"hand@{'1' * 12}.json").open("wb") as file:
        file.truncate(1 << 40)
    assert registry.versions("hand") == [made]
    content = registry.folder / f"{made.sha256}.npz"
    content.unlink()
    os.mkfifo(content)
    with pytest.raises(RegistryError, match="no plain file"):
        registry.content(made)


def test_what_was_not_written_to_its_end_is_not_there(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = registry.add("hand", fitted().to_bytes(), CARD)
    calls = []

    def fail_late(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail_late)
    with pytest.raises(ModelError, match="No space left"):
        registry.add("hand", fitted(2).to_bytes(), CARD)
    assert registry.versions("hand") == [made]
    assert not [path for path in registry.folder.iterdir() if path.name.startswith(".")]


def test_a_model_that_is_not_there_is_named_with_those_that_are(registry: ModelRegistry) -> None:
    registry.add("hand", fitted().to_bytes(), CARD)
    with pytest.raises(NoModelError, match="hand"):
        registry.find("foot")
    with pytest.raises(NoModelError, match=fitted().version):
        registry.find("hand@000000000000")
    with pytest.raises(NoModelError):
        registry.find("../hand")


def small_network(spec: SignalSpec, settings: Any) -> tuple[bytes, dict[str, Any]]:
    """A network of one layer for the decoder `dnn`, and its manifest."""
    shape = (1, settings.n_subbands, spec.n_channels, settings.window_samples(spec.rate_hz))
    n_targets = len(settings.targets)
    weights = np.random.default_rng(4).standard_normal((int(np.prod(shape)), n_targets))
    content = onnx_files.model(
        [
            onnx_files.node("Flatten", [INPUT], ["flat"]),
            onnx_files.node("MatMul", ["flat", "weights"], [OUTPUT]),
        ],
        {INPUT: shape},
        {OUTPUT: (1, n_targets)},
        {"weights": weights},
    )
    described = onnx_files.manifest(
        content,
        kind="dnn",
        inputs=[{"name": INPUT, "shape": shape, "unit": "uV"}],
        outputs=[{"name": OUTPUT, "shape": (1, n_targets), "unit": "logit"}],
        facts=facts_of(settings, spec.rate_hz, spec.n_channels),
    )
    return content, described.model_dump(mode="json")


def test_a_network_is_kept_with_its_manifest_and_refused_where_they_differ(
    registry: ModelRegistry,
) -> None:
    spec = SignalSpec(250.0, ("O1", "Oz", "O2"))
    targets = [{"label": "a", "freq_hz": 9.0}, {"label": "b", "freq_hz": 12.0}]
    settings = DnnSettings.model_validate({"targets": targets})
    content, described = small_network(spec, settings)
    card = ModelCard(
        kind="dnn",
        input=ModelInput.of(spec),
        decoder=settings.model_dump(mode="json"),
        network=described,
    )
    made = registry.add("net", content, card)
    opened = registry.open(made.reference)
    assert isinstance(opened.model, Network)
    assert opened.model.version == made.version
    assert made.settings_for(settings)["network"] == made.reference

    def refused(content: bytes, **fields: Any) -> str:
        with pytest.raises(ModelError) as caught:
            registry.add(
                "other", content, ModelCard.model_validate({**card.model_dump(), **fields})
            )
        return caught.value.message

    assert "SHA-256" in refused(content + b"x")
    assert "operator set" in refused(content, network={**described, "opset": 12})
    other = [{"name": INPUT, "shape": [1, 3, 3, 99], "unit": "uV"}]
    assert "must have the inputs" in refused(content, network={**described, "inputs": other})
    assert "fitted for" in refused(content, input={"rate_hz": 200, "n_channels": 3})
    assert "decoder's settings" in refused(content, decoder=None)
    loop = onnx_files.model(
        [onnx_files.node("Loop", [INPUT], [OUTPUT])], {INPUT: (1, 3)}, {OUTPUT: (1, 3)}
    )
    hashed = {**described, "sha256": hashlib.sha256(loop).hexdigest()}
    assert "operators Loop" in refused(loop, network=hashed)
    assert {one.name for one in registry.all_versions()} == {"net"} | SHIPPED


def test_an_input_says_in_what_a_signal_differs() -> None:
    spec = SignalSpec(50.0, ("a", "b", "c"))
    assert not CARD.input.differs_from(spec)
    assert not ModelInput().differs_from(spec)
    assert "100 Hz" in CARD.input.differs_from(SignalSpec(100.0, spec.labels))
    assert "channels" in CARD.input.differs_from(SignalSpec(50.0, ("b", "a", "c")))
