"""The network's second stage as a calibration: what it starts from, scores, keeps and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.decoders.ssvep.methods.make_tiny_dnn import FOLDER as TINY
from volition.decoders.contract.intent import SelectionIntent
from volition.decoders.fitting.calibration import CalibrationError
from volition.decoders.fitting.network import STARTED_FROM, NetworkManifest
from volition.decoders.ssvep.estimator import filtered_windows
from volition.decoders.ssvep.methods.dnn import DnnSettings
from volition.errors import ConfigError, ModelError
from volition.models.manifest import Manifest, ModelCard, ModelInput
from volition.models.registry import ModelRegistry
from volition.service.calibration.fitter import FitJob, fit
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import Engine
from volition.streams.files.recording import Recording
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnxscript", reason="needs the extra train")
from volition.models.training import ssvep_dnn, ssvep_dnn_calibration  # noqa: E402 - after torch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what the exporter says of torch itself
]

FLICKERS = tuple(Flicker(hz, 1.1 * n) for n, hz in enumerate((9.0, 10.4, 11.8, 13.2)))
TARGETS = [{"label": f"{one.freq_hz:g}", "freq_hz": one.freq_hz} for one in FLICKERS]
DECODER = {"kind": "dnn", "targets": TARGETS, "window_s": 0.5, "onset_markers": ["trial_start"]}
SETTINGS = DnnSettings.model_validate(DECODER)
N_BLOCKS = 4


def person(seed: int) -> SsvepParticipant:
    return SsvepParticipant(seed=seed, targets=FLICKERS, response_uv=6.0)


@pytest.fixture(scope="module")
def many() -> tuple[NetworkManifest, bytes]:
    """Give a network of two other people."""
    torch.set_num_threads(1)
    windows = []
    for seed in (20, 21):
        epochs = person(seed).epochs(N_BLOCKS, SETTINGS.window_s)
        flat = epochs.reshape(-1, *epochs.shape[2:])
        windows.append(filtered_windows(SETTINGS, flat, person(seed).rate_hz))
    learned = np.concatenate(windows)
    targets = np.tile(np.arange(4), 2 * N_BLOCKS)
    layers = ssvep_dnn.network((3, 9, learned.shape[-1]), 4, n_filters=24)
    ssvep_dnn.train(layers, learned, targets, ssvep_dnn.TrainingStage(60, 8, 0.1), seed=0)
    return ssvep_dnn.exported(
        layers, SETTINGS, 250.0, 9, name="many", trained_on="two people", licence="CC0"
    )


@pytest.fixture
def models(tmp_path: Path, many: tuple[NetworkManifest, bytes]) -> ModelRegistry:
    """Give a registry that holds it."""
    manifest, content = many
    card = ModelCard(
        kind="dnn",
        input=ModelInput.of(person(0).spec()),
        decoder=DECODER,
        network=manifest.model_dump(mode="json"),
    )
    registry = ModelRegistry(tmp_path)
    registry.add("many", content, card)
    return registry


def calibrated(models: ModelRegistry, network: str | None = "many", **changes: Any) -> Manifest:
    recording = person(3).record([*range(4)] * N_BLOCKS, trial_s=0.8, pause_s=0.4)
    job = {
        "config": {"stream": {"name": "x"}, "decoder": DECODER},
        "name": "own",
        "folder": str(models.folder),
        "spec": {
            name: getattr(recording.spec, name) for name in ("rate_hz", "labels", "units", "kinds")
        },
        "events": [(one.time, one.name, dict(one.data)) for one in recording.events],
        "network": network,
        "options": {"passes": 60, "batch": 4},
        "source": "a test",
    }
    rows = np.column_stack([recording.times, recording.samples])
    made = fit(FitJob.model_validate(job | changes), rows.tobytes(), lambda *_: None)
    return Manifest.model_validate(made)


def selected(config: dict[str, Any], recording: Recording) -> list[tuple[str, str]]:
    engine = Engine(parse_config(config), recording.spec)
    intents = [i for chunk, events in recording.chunks(200) for i in engine.step(chunk, events)]
    return [(i.label, str(i.model)) for i in intents if isinstance(i, SelectionIntent)]


def test_a_person_trains_the_network_of_many_further_and_is_decoded_by_it_another_day(
    models: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = calibrated(models)
    many = models.find("many")
    assert made.scores["n_trials"] == 4 * N_BLOCKS  # each was left out once
    assert made.scores["accuracy"] > made.scores["chance"]
    assert [row["window_s"] for row in made.scores["by_window"]] == [SETTINGS.window_s]
    assert made.network is not None
    assert made.network["facts"][STARTED_FROM] == "many"
    assert (made.network["licence"], made.training.n_trials) == ("CC0", 4 * N_BLOCKS)

    # One that goes on from the person's own begins where that began.
    again = calibrated(models, made.reference)
    assert again.network is not None
    assert again.network["facts"][STARTED_FROM] == "many"
    assert (again.sha256, again.scores) == (made.sha256, made.scores)

    monkeypatch.setattr(
        "volition.service.sessions.named_models.models_folder", lambda: models.folder
    )
    session = {"stream": {"name": "x"}, "decoder": made.settings_for(SETTINGS)}
    other = person(3).record([2, 0, 3, 1] * 3, trial_s=0.8, pause_s=0.4, sitting=2)
    found = selected(session, other)
    assert {model for _, model in found} == {made.version}
    wanted = [TARGETS[number]["label"] for number in [2, 0, 3, 1] * 3]
    right = sum(label == asked for (label, _), asked in zip(found, wanted, strict=True))
    assert right >= 7
    assert made.version != many.version


def test_what_cannot_be_trained_further_is_refused_by_what_is_wrong(
    models: ModelRegistry, many: tuple[NetworkManifest, bytes]
) -> None:
    with pytest.raises(CalibrationError, match=r"name one in decoder\.network"):
        calibrated(models, None)
    with pytest.raises(ModelError, match="no model 'nobody'"):
        calibrated(models, "nobody")
    with pytest.raises(ConfigError, match="n_channels 6; found 9"):
        calibrated(models, str(TINY / "tiny"))
    for options, said in (
        ({"speed": 1}, "allowed: passes, batch, dropout"),
        ({"passes": 2.5}, "a whole number from 1 to 10000; found 2.5"),
        ({"dropout": 1}, "a number from 0 to 0.99; found 1"),
    ):
        with pytest.raises(ConfigError, match=said):
            calibrated(models, options=options)

    import onnx

    manifest, content = many
    proto = onnx.load_from_string(content)
    next(one for one in proto.graph.initializer if one.name == "7.bias").name = "bias"
    for node in proto.graph.node:
        node.input[:] = ["bias" if name == "7.bias" else name for name in node.input]
    with pytest.raises(ModelError, match=r"it lacks the weights 7\.bias"):
        ssvep_dnn_calibration.weights_of(proto.SerializeToString(), manifest.name)
