"""Networks of the EEGNet family, trained on a person's trials, or on other people's first.

The layers are those that Köllőd et al. compare (Electronics 12:2743, 2023): Shallow and Deep
ConvNet (Schirrmeister et al., Hum. Brain Mapp. 38:5391, 2017), EEGNet (Lawhern et al., J. Neural
Eng. 15:056013, 2018), EEGNet Fusion (Roots et al., Computers 9:72, 2020) and MI-EEGNet (Riyad et
al., J. Neurosci. Methods 353:109037, 2021). Kernels and pools are given for 128 Hz and scaled to
the signal's rate. Windows of 2 s slide through a trial by 0.1 s; those of one trial are never on
both sides of a split. Training stops once the loss on trials that are kept aside has not fallen for
15 passes, and the best pass is kept.

Transfer is `train` from a network's weights: other people's windows first, then the person's.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from volition.chunk import FloatArray
from volition.decoders.classes.calibrating import (
    folds_of,
    prepared_of,
    refusal_of,
)
from volition.decoders.classes.methods.network import (
    INPUT,
    OUTPUT,
    UNIT,
    EegNetworkSettings,
    NetworkMethod,
    model_of,
)
from volition.decoders.classes.models import PLAIN
from volition.decoders.classes.observing import Observed, observe
from volition.decoders.classes.report import Judged, report
from volition.decoders.filtering import regular_rate
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.network import NetworkManifest
from volition.models.training.export import onnx_content

OPSET = 18
IntArray = npt.NDArray[np.int64]

#: From window to window of a trial, seconds.
STEP_S = 0.1
_DESIGN_HZ = 128.0


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained.

    Attributes
    ----------
    patience
        Passes without a lower loss before it stops, counted from when it first beats the first.
    most_passes
        Never more.
    batch
        Windows in a step.
    kept_aside
        Share of the trials that say when to stop.
    seed
        Seed of weights, order and what is kept aside.
    """

    patience: int = 15
    most_passes: int = 100
    batch: int = 32
    kept_aside: float = 0.2
    seed: int = 0


USUAL = Training()


# -- layers -----------------------------------------------------------------------------------


def _limited(layer: Any, limit: float) -> Any:
    """Have each filter's norm limited after every step."""
    layer.max_norm = limit
    return layer


def _scaled(n_samples: int, rate_hz: float) -> int:
    """Give a length in samples at 128 Hz as one at the signal's rate."""
    return max(1, round(n_samples * rate_hz / _DESIGN_HZ))


def _norm(n: int) -> Any:
    return nn.BatchNorm2d(n, eps=1e-3)


def _along_time(n_in: int, n_out: int, kernel: int, groups: int = 1) -> list[Any]:
    """Give a convolution over time that keeps the length, for even kernels too."""
    return [
        nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2, 0, 0)),
        nn.Conv2d(n_in, n_out, (1, kernel), groups=groups, bias=False),
    ]


def _separable(n_in: int, n_out: int, kernel: int) -> list[Any]:
    return [
        *_along_time(n_in, n_in, kernel, groups=n_in),
        nn.Conv2d(n_in, n_out, 1, bias=False),
    ]


def _eegnet_branch(n_channels: int, rate_hz: float, sizes: tuple[int, int, int, int]) -> Any:
    """Give EEGNet up to its flat features: F1 filters and their length, F2 separable and theirs."""
    f1, kernel, f2, separable = sizes
    dropout = 0.5
    return nn.Sequential(
        *_along_time(1, f1, _scaled(kernel, rate_hz)),
        _norm(f1),
        _limited(nn.Conv2d(f1, 2 * f1, (n_channels, 1), groups=f1, bias=False), 1.0),
        _norm(2 * f1),
        nn.ELU(),
        nn.AvgPool2d((1, 4)),
        nn.Dropout(dropout),
        *_separable(2 * f1, f2, _scaled(separable, rate_hz)),
        _norm(f2),
        nn.ELU(),
        nn.AvgPool2d((1, 8)),
        nn.Dropout(dropout),
        nn.Flatten(),
    )


class _Square(nn.Module):  # type: ignore[misc]  # torch has no types here
    def forward(self, x: Any) -> Any:
        return x * x


class _SafeLog(nn.Module):  # type: ignore[misc]  # torch has no types here
    def forward(self, x: Any) -> Any:
        return torch.log(torch.clamp(x, 1e-7, 1e4))


class _Parallel(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Paths side by side, joined along the features; the ends of longer ones are cut."""

    def __init__(self, paths: Sequence[Any], *, cut: bool = False) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)
        self.cut = cut

    def forward(self, x: Any) -> Any:
        found = [path(x) for path in self.paths]
        if self.cut:
            shortest = min(one.shape[-1] for one in found)
            found = [one[..., :shortest] for one in found]
        return torch.cat(found, dim=1)


def _features_of_shallow(n_channels: int, rate_hz: float) -> Any:
    return nn.Sequential(
        _limited(nn.Conv2d(1, 40, (1, _scaled(13, rate_hz))), 2.0),
        _limited(nn.Conv2d(40, 40, (n_channels, 1), bias=False), 2.0),
        nn.BatchNorm2d(40, eps=1e-5),
        _Square(),
        nn.AvgPool2d((1, _scaled(35, rate_hz)), stride=(1, _scaled(7, rate_hz))),
        _SafeLog(),
        nn.Dropout(0.5),
        nn.Flatten(),
    )


def _features_of_deep(n_channels: int, rate_hz: float) -> Any:
    kernel = _scaled(5, rate_hz)

    def end(n: int) -> list[Any]:
        return [nn.BatchNorm2d(n, eps=1e-5), nn.ELU(), nn.MaxPool2d((1, 2)), nn.Dropout(0.5)]

    layers = [
        _limited(nn.Conv2d(1, 25, (1, kernel)), 2.0),
        _limited(nn.Conv2d(25, 25, (n_channels, 1)), 2.0),
        *end(25),
    ]
    for n_in, n_out in ((25, 50), (50, 100), (100, 200)):
        layers += [_limited(nn.Conv2d(n_in, n_out, (1, kernel)), 2.0), *end(n_out)]
    return nn.Sequential(*layers, nn.Flatten())


def _features_of_mi_eegnet(n_channels: int, rate_hz: float) -> Any:
    def path(kernel: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(256, 64, 1, bias=False),
            *_separable(64, 64, kernel),
            _norm(64),
            nn.ELU(),
            nn.Dropout(0.5),
            *_separable(64, 64, kernel),
            nn.AvgPool2d((1, 2)),
        )

    pooled = nn.Sequential(nn.AvgPool2d((1, 2)), nn.Conv2d(256, 64, 1, bias=False))
    strided = nn.Conv2d(256, 64, 1, stride=(1, 2), bias=False)
    return nn.Sequential(
        *_along_time(1, 64, _scaled(16, rate_hz)),
        _norm(64),
        _limited(nn.Conv2d(64, 256, (n_channels, 1), groups=64, bias=False), 1.0),
        _norm(256),
        nn.ELU(),
        nn.AvgPool2d((1, 2)),
        nn.Dropout(0.5),
        _Parallel(
            [path(_scaled(7, rate_hz)), path(_scaled(9, rate_hz)), pooled, strided], cut=True
        ),
        _norm(256),
        nn.ELU(),
        *_separable(256, 256, _scaled(5, rate_hz)),
        _norm(256),
        nn.ELU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )


def _features_of_fusion(n_channels: int, rate_hz: float) -> Any:
    sizes = ((8, 64, 16, 8), (16, 96, 32, 16), (32, 128, 64, 32))
    return _Parallel([_eegnet_branch(n_channels, rate_hz, one) for one in sizes])


FEATURES: Mapping[str, tuple[Callable[[int, float], Any], float]] = {
    "eegnet": (lambda n, hz: _eegnet_branch(n, hz, (8, 64, 16, 16)), 0.25),
    "shallow": (_features_of_shallow, 0.5),
    "deep": (_features_of_deep, 0.5),
    "fusion": (_features_of_fusion, 0.25),
    "mi_eegnet": (_features_of_mi_eegnet, 0.5),
}
"""By architecture: what makes the layers before the last, and the last one's largest norm."""


class EegNetwork(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A network that takes windows (n, n_channels, n_samples) and gives logits (n, n_classes)."""

    def __init__(
        self, architecture: str, n_channels: int, n_samples: int, n_classes: int, rate_hz: float
    ) -> None:
        super().__init__()
        make, limit = FEATURES[architecture]
        self.features = make(n_channels, rate_hz)
        with torch.no_grad():
            n_features = self.features.eval()(torch.zeros(1, 1, n_channels, n_samples)).shape[1]
        self.last = _limited(nn.Linear(n_features, n_classes), limit)

    def forward(self, windows: Any) -> Any:
        return self.last(self.features(windows.unsqueeze(1)))


def made(
    architecture: str,
    n_channels: int,
    n_samples: int,
    n_classes: int,
    rate_hz: float,
    *,
    seed: int = 0,
) -> EegNetwork:
    """Make a network of random weights."""
    torch.manual_seed(seed)
    return EegNetwork(architecture, n_channels, n_samples, n_classes, rate_hz)


# -- training ---------------------------------------------------------------------------------


def train(
    network: EegNetwork,
    windows: FloatArray,
    classes: IntArray,
    trials: IntArray,
    training: Training = USUAL,
) -> int:
    """Train a network in place; give the passes that it took.

    Parameters
    ----------
    windows : ndarray, shape (n_windows, n_channels, n_samples)
        Each channel scaled, as `NetworkMethod.feature` gives it.
    classes, trials : ndarray of int, shape (n_windows,)
        Windows of one trial are kept aside together.
    """
    rng = np.random.default_rng(training.seed)
    torch.manual_seed(training.seed)
    aside = np.isin(trials, _kept_aside(classes, trials, training.kept_aside, rng))
    inputs = torch.from_numpy(windows.astype(np.float32))
    wanted = torch.from_numpy(classes.astype(np.int64))
    known = np.flatnonzero(~aside)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    best, best_loss, first_loss, waited = copy.deepcopy(network.state_dict()), np.inf, np.inf, 0
    n_passes = 0
    for n_passes in range(1, training.most_passes + 1):
        network.train()
        order = rng.permutation(known)
        # A batch of one has no spread to normalise by.
        for some in np.array_split(order, max(1, len(order) // training.batch)):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(network(inputs[some]), wanted[some])
            loss.backward()
            optimiser.step()
            _limit(network)
        loss_aside = _loss(network, inputs[aside], wanted[aside])
        first_loss = loss_aside if n_passes == 1 else first_loss
        if loss_aside < best_loss:
            best, best_loss, waited = copy.deepcopy(network.state_dict()), loss_aside, 0
        elif best_loss < first_loss:
            waited += 1
        if waited >= training.patience:
            break
    network.load_state_dict(best)
    network.eval()
    return n_passes


def _kept_aside(
    classes: IntArray, trials: IntArray, share: float, rng: np.random.Generator
) -> IntArray:
    """Choose trials of each class, at least one."""
    found = []
    for k in np.unique(classes):
        of_class = np.unique(trials[classes == k])
        found.append(rng.permutation(of_class)[: max(1, round(share * len(of_class)))])
    return np.concatenate(found)


def _limit(network: EegNetwork) -> None:
    with torch.no_grad():
        for layer in network.modules():
            limit = getattr(layer, "max_norm", None)
            if limit is not None:
                layer.weight.copy_(torch.renorm(layer.weight, 2, 0, limit))


def _loss(network: EegNetwork, inputs: Any, wanted: Any) -> float:
    network.eval()
    with torch.no_grad():
        parts = [
            float(nn.functional.cross_entropy(network(a), b, reduction="sum"))
            for a, b in zip(inputs.split(256), wanted.split(256), strict=True)
        ]
    return sum(parts) / max(1, len(wanted))


def log_probabilities(network: EegNetwork, windows: FloatArray) -> FloatArray:
    """Give each window's log probabilities (n_windows, n_classes), by torch itself."""
    network.eval()
    with torch.no_grad():
        inputs = torch.from_numpy(windows.astype(np.float32))
        parts = [torch.log_softmax(network(one), dim=1) for one in inputs.split(256)]
    found: FloatArray = torch.cat(parts).numpy().astype(np.float64)
    return found


def n_parameters(network: EegNetwork) -> int:
    """Give how many numbers are learned."""
    return sum(one.numel() for one in network.parameters())


def gain_over_chance(accuracy: float, chance: float) -> float:
    """Give the accuracy above chance, as a share of what there is above it (Köllőd et al. 2023)."""
    return (accuracy - chance) / (1.0 - chance)


# -- a decoder --------------------------------------------------------------------------------


def exported(
    network: EegNetwork,
    settings: EegNetworkSettings,
    shape: tuple[int, int],
    rate_hz: float,
    name: str,
) -> tuple[NetworkManifest, bytes]:
    """Give a network as an ONNX file and its manifest; ``shape`` is (n_channels, n_samples)."""
    content = onnx_content(
        network, (torch.zeros(1, *shape),), inputs=[INPUT], outputs=[OUTPUT], opset=OPSET
    )
    manifest = NetworkManifest.of(
        content,
        name=name,
        kind=settings.kind,
        inputs=[{"name": INPUT, "shape": (1, *shape), "unit": UNIT}],
        outputs=[{"name": OUTPUT, "shape": (1, len(settings.classes)), "unit": "logit"}],
        trained_on="trials of a calibration",
        licence="as the trials'",
        facts={"architecture": settings.architecture, "rate_hz": rate_hz},
    )
    return manifest, content


def windows_of(
    method: NetworkMethod, data: CalibrationData, channels: Sequence[int], trials: Sequence[Any]
) -> Observed:
    """Cut the windows that slide through each trial."""
    return observe(method, data, channels, trials, trial_step_s=STEP_S)


def calibrate(
    settings: EegNetworkSettings,
    calibration: CalibrationData,
    progress: Progress,
    *,
    start: Mapping[str, Any] | None = None,
    training: Training = USUAL,
) -> Calibrated:
    """Train a person's network; sessions or blocks of time are left out to score it.

    Parameters
    ----------
    start
        Weights to begin from, of a network of other people (`torch.nn.Module.state_dict`).

    Raises
    ------
    CalibrationError
        The trials cannot be used, or are not told above chance.
    """
    torch.set_num_threads(1)
    rate_hz = regular_rate(calibration.spec, settings.kind)
    prepared = prepared_of(calibration, settings)
    method = NetworkMethod(settings, rate_hz)
    seen = windows_of(method, prepared.data, prepared.channels, prepared.trials)
    shape = (len(prepared.channels), settings.window_samples(rate_hz))
    n_classes = len(settings.classes)

    def learned(rows: npt.NDArray[np.bool_]) -> EegNetwork:
        network = made(settings.architecture, *shape, n_classes, rate_hz, seed=training.seed)
        if start is not None:
            network.load_state_dict(start)
        train(network, seen.features[rows], seen.classes[rows], seen.trials[rows], training)
        return network

    folds, by = folds_of(seen)
    log_p = np.full((len(folds), n_classes), np.nan)
    names = np.unique(folds)
    for number, fold in enumerate(names):
        progress(0.1 + 0.6 * number / len(names), f"leaving {by} {number + 1} out")
        out = folds == fold
        log_p[out] = log_probabilities(learned(~out), seen.features[out])
    judged = Judged.of(log_p, seen, folds, by, PLAIN)
    refused = refusal_of(judged, n_classes)
    if refused is not None and not calibration.options.get("accept"):
        raise refused
    progress(0.75, "training on all trials")
    began = time.monotonic()
    network = learned(np.ones(len(folds), dtype=bool))
    labels = tuple(prepared.data.spec.labels[k] for k in prepared.channels)
    scores = report(
        judged,
        settings.classes,
        [prepared.data.names[k] for k in seen.recordings] if prepared.data.names else [],
        controls={},
        tried={PLAIN: judged.log_likelihood},
        channels=list(labels),
        left_out=prepared.left_out,
        faulty=prepared.faulty,
        bands=method.edges,
        n_dropped=seen.n_dropped,
    )
    scores |= {
        "gain_over_chance": gain_over_chance(judged.accuracy, 1.0 / n_classes),
        "parameters": n_parameters(network),
        "trained_min": (time.monotonic() - began) / 60,
    }
    if refused is not None:
        scores["refusal"] = refused.message
    manifest, content = exported(network, settings, shape, rate_hz, settings.architecture)
    model = model_of(method, labels, manifest, content)
    return Calibrated(model, settings.model_dump(mode="json"), scores, len(np.unique(seen.trials)))
