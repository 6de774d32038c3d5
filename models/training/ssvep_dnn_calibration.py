"""The second stage of the SSVEP network, from a person's own calibration.

It starts from a network of stage one, as it was exported: the weights are read back from the ONNX
file by their names. Each block (every target's n-th trial) is left out of a training of its own and
decoded by it, which gives the scores; the network that is kept is then trained on all blocks. See
`volition.models.training.ssvep_dnn`; the paper takes 1000 passes over all trials at once, which on
one core takes hours, so that fewer passes of smaller steps are usual here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxscript  # noqa: F401 - the export needs it: say so before a training, not after
import torch

from volition.chunk import FloatArray
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.fitted import Array, FittedModel
from volition.decoders.fitting.network import STARTED_FROM, Network, NetworkManifest
from volition.decoders.ssvep.calibrating import calibrate_selector
from volition.decoders.ssvep.estimator import REST, IntArray, filtered_windows
from volition.decoders.ssvep.methods.dnn import DnnSettings, logits, ready
from volition.decoders.ssvep.selector import softmax
from volition.decoders.ssvep.templates import facts_of
from volition.errors import ConfigError, ModelError
from volition.models.training import ssvep_dnn
from volition.models.training.ssvep_dnn import TrainingStage

#: As `volition bench speller` trains it: as many steps as the paper's, each of fewer trials.
USUAL_FIRST = TrainingStage(n_epochs=60, batch=20, dropout=ssvep_dnn.GLOBAL.dropout)
USUAL = TrainingStage(n_epochs=150, batch=20, dropout=ssvep_dnn.PERSONAL.dropout)
#: A calibration's options: which field of `Stage` each is, and what it may be.
_OPTIONS = {
    "passes": ("n_epochs", 1, 10_000),
    "batch": ("batch", 1, 10_000),
    "dropout": ("dropout", 0.0, 0.99),
}


def weights_of(content: bytes, name: str) -> dict[str, Array]:
    """Read the weights of an exported network, by the names that torch gives them.

    Parameters
    ----------
    content
        Content of the ONNX file.
    name
        What an error calls it.

    Raises
    ------
    ModelError
        It is not this network as `ssvep_dnn.exported` writes it.
    """
    tensors = onnx.load_from_string(content).graph.initializer
    found = {one.name: onnx.numpy_helper.to_array(one) for one in tensors}
    wanted = ssvep_dnn.network((1, 1, 2), 1, n_filters=1).state_dict()
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise ModelError(
            f"the network {name} cannot be trained further: it lacks the weights "
            f"{', '.join(missing)} of the two-stage network",
            missing=missing,
            found=sorted(found),
        )
    return {key: found[key] for key in wanted}


def layers_of(weights: Mapping[str, Array], shape: tuple[int, int, int], n_targets: int) -> Any:
    """Make the network of such weights; ``shape`` is a window's, as for `ssvep_dnn.network`."""
    layers = ssvep_dnn.network(shape, n_targets, n_filters=len(weights["1.weight"]))
    layers.load_state_dict({key: torch.from_numpy(one.copy()) for key, one in weights.items()})
    return layers


def _checked(weights: dict[str, Array], network: Network) -> dict[str, Array]:
    """Give the weights; refuse those that do not give in torch what the file gives."""
    name, (_, *shape) = network.manifest.name, network.manifest.inputs[0].lengths
    window = np.random.default_rng(0).standard_normal(shape)
    expected = logits(network, window)
    try:
        n_bands, n_channels, n_samples = shape
        layers = layers_of(weights, (n_bands, n_channels, n_samples), len(expected))
        found = ssvep_dnn.scores(layers, window[None])[0]
    except RuntimeError as error:  # torch's, for weights of other shapes
        raise ModelError(f"the network {name} cannot be trained further: {error}") from None
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-3):
        raise ModelError(
            f"the network {name} cannot be trained further: its weights are named as those of the "
            "two-stage network, and it is another"
        )
    return weights


def first_stage(
    settings: DnnSettings, people: Sequence[tuple[FloatArray, IntArray]], stage: TrainingStage
) -> dict[str, Array]:
    """Train stage one on windows and targets of each person; give the weights."""
    torch.set_num_threads(1)
    windows = np.concatenate([found for found, _ in people])
    n_bands, n_channels, n_samples = windows.shape[1:]
    layers = ssvep_dnn.network((n_bands, n_channels, n_samples), len(settings.targets))
    targets = np.concatenate([found for _, found in people])
    ssvep_dnn.train(layers, windows, targets, stage, seed=0)
    return _weights(layers)


def _weights(layers: Any) -> dict[str, Array]:
    return {key: one.numpy() for key, one in layers.state_dict().items()}


def stage_of(options: Mapping[str, Any]) -> TrainingStage:
    """Give how a calibration's ``options`` want it trained: ``passes``, ``batch``, ``dropout``.

    Raises
    ------
    ConfigError
        One is unknown, or outside of what is allowed.
    """
    changes: dict[str, Any] = {}
    for name, value in options.items():
        if name not in _OPTIONS:
            raise ConfigError(
                f"dnn: no option of its calibration is named {name!r}; allowed: "
                f"{', '.join(_OPTIONS)}",
                found=name,
                allowed=list(_OPTIONS),
            )
        field, least, most = _OPTIONS[name]
        whole = isinstance(least, int)
        if not least <= value <= most or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise ConfigError(
                f"dnn: the option {name} must be {kind} from {least:g} to {most:g}; "
                f"found {value:g}",
                setting=name,
                found=value,
            )
        changes[field] = int(value) if whole else float(value)
    return dataclasses.replace(USUAL, **changes)


class SecondStage:
    """The network of a person, as an estimator that `calibrate_selector` validates and fits.

    Parameters
    ----------
    settings, rate_hz
        Those of the streaming decoder.
    start
        Weights of stage one.
    stage
        How it is trained.
    """

    def __init__(
        self,
        settings: DnnSettings,
        rate_hz: float,
        start: Mapping[str, Array],
        stage: TrainingStage,
    ) -> None:
        self.settings = settings
        self.rate_hz = rate_hz
        self._start = start
        self._stage = stage

    def learned(self, trials: FloatArray) -> Any:
        """Train on (n_targets, n_trials, n_bands, n_channels, n_samples); give the layers."""
        targets = np.repeat(np.arange(len(trials)), trials.shape[1])
        return self._trained(trials.reshape(-1, *trials.shape[2:]), targets)

    def scores(self, arrays: Any, window: FloatArray) -> FloatArray:
        """Give the logits of a window (n_bands, n_channels, n_samples)."""
        found: FloatArray = ssvep_dnn.scores(arrays, window[None])[0]
        return found

    def confidence(self, scores: FloatArray) -> float:
        return float(softmax(scores).max())

    def fit(
        self,
        epochs: FloatArray,
        targets: npt.ArrayLike,
        recordings: npt.ArrayLike | None = None,
    ) -> FittedModel:
        """Train on all trials but those at rest; the model's arrays are the weights."""
        wanted = np.asarray(targets, dtype=np.int64)
        windows = filtered_windows(self.settings, epochs[wanted != REST], self.rate_hz)
        layers = self._trained(windows, wanted[wanted != REST])
        facts = facts_of(self.settings, self.rate_hz, int(epochs.shape[1]))
        return FittedModel(self.settings.kind, _weights(layers), facts)

    def _trained(self, windows: FloatArray, targets: npt.NDArray[np.int64]) -> Any:
        n_bands, n_channels, n_samples = windows.shape[1:]
        shape = n_bands, n_channels, n_samples
        layers = layers_of(self._start, shape, len(self.settings.targets))
        ssvep_dnn.train(layers, windows, targets, self._stage, seed=0)
        return layers


def calibrate(
    settings: DnnSettings,
    calibration: CalibrationData,
    progress: Progress,
    *,
    start: tuple[NetworkManifest, bytes],
    name: str,
    source: str,
    licence: str,
    started_from: str | None = None,
) -> tuple[Calibrated, NetworkManifest, bytes]:
    """Train a person's network from their calibration; give it as an ONNX file too.

    Parameters
    ----------
    settings
        Those that would decode; the window is theirs, since the network is for one length.
    calibration
        Its options may say ``passes`` over the trials (150), ``batch``, trials in a step (20), and
        ``dropout`` (0.6).
    start
        The network of stage one.
    name, licence
        Name and licence of the new one.
    source
        Where its trials are from.
    started_from
        How the registry names ``start``; kept, so that the next calibration starts there as well.

    Raises
    ------
    CalibrationError
        The trials cannot be used.
    ConfigError
        The network is for another signal or other targets, or an option is wrong.
    ModelError
        The network is another than the paper's.
    """
    torch.set_num_threads(1)
    described, content = start
    spec, stage = calibration.spec, stage_of(calibration.options)
    network = ready(settings, Network(described, content), spec.rate_hz, spec.n_channels)
    weights = _checked(weights_of(content, described.name), network)
    found = calibrate_selector(
        lambda chosen, rate_hz: SecondStage(chosen, rate_hz, weights, stage),
        settings,
        calibration,
        progress,
        lengths_s=(),
    )
    shape = settings.n_subbands, spec.n_channels, settings.window_samples(spec.rate_hz)
    manifest, exported = ssvep_dnn.exported(
        layers_of(found.model.arrays, shape, len(settings.targets)),
        settings,
        spec.rate_hz,
        spec.n_channels,
        name=name,
        trained_on=f"{described.trained_on}; then {found.n_trials} trials of {source}",
        licence=licence or described.licence,
        more_facts={STARTED_FROM: started_from},
    )
    return found, manifest, exported
