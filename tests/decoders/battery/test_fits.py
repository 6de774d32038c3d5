"""What every fit is held to: hard data end in a model that works, or in an error of ours.

A family is met by being registered, as in `test_battery`: its examples, and the variants that they
name for the benchmarks (``costs``), are what is fitted. The data are those that break linear
algebra: constant, tiny, huge, duplicated, collinear, all but silent, hardly any. Whatever is not a
usable model must be one of `volition.errors`, with a sentence; `LinAlgError` is none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import PositionTrials, Trials
from volition.decoders.fitting.calibration import CalibrationData
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.decoders.ssvep.templates import TemplateDecoder
from volition.decoders.stages.blocks import CalibratedSettings
from volition.errors import VolitionError

Random = np.random.Generator
Hard = Callable[[Random, int, int], FloatArray]


def noise(random: Random, n: int, width: int) -> FloatArray:
    drawn: FloatArray = random.standard_normal((n, width))
    return drawn


def duplicated(random: Random, n: int, width: int) -> FloatArray:
    return np.repeat(noise(random, n, 1), width, axis=1)


def collinear(random: Random, n: int, width: int) -> FloatArray:
    return noise(random, n, 2) @ noise(random, 2, width)


def one_live(random: Random, n: int, width: int) -> FloatArray:
    data = np.zeros((n, width))
    data[:, 0] = random.standard_normal(n)
    return data


def one_sample(random: Random, n: int, width: int) -> FloatArray:
    data = np.zeros((n, width))
    data[random.integers(n)] = 1.0
    return data


def counts(random: Random, n: int, width: int) -> FloatArray:
    return random.poisson(0.02, (n, width)).astype(np.float64)


def unequal(random: Random, n: int, width: int) -> FloatArray:
    return noise(random, n, width) * np.logspace(-12, 6, width)


#: Rows of data, (n, width), by what is wrong with them.
HARD: Mapping[str, Hard] = {
    "noise": noise,
    "zero": lambda _, n, width: np.zeros((n, width)),
    "constant": lambda _, n, width: np.full((n, width), 37.5),
    "nearly constant": lambda random, n, width: 1e6 + 1e-9 * noise(random, n, width),
    "tiny": lambda random, n, width: 1e-12 * noise(random, n, width),
    "vanishing": lambda random, n, width: 1e-200 * noise(random, n, width),
    "huge": lambda random, n, width: 1e12 * noise(random, n, width),
    "overflowing": lambda random, n, width: 1e200 * noise(random, n, width),
    "duplicated": duplicated,
    "collinear": collinear,
    "one channel live": one_live,
    "one sample live": one_sample,
    "rare counts": counts,
    "of unequal size": unequal,
}
#: A stream's samples are 32-bit floats: nothing larger comes in.
HARD_SIGNALS = {**HARD, "overflowing": lambda random, n, width: 1e30 * noise(random, n, width)}
each_hard_signal = pytest.mark.parametrize(
    "hard", list(HARD_SIGNALS.values()), ids=list(HARD_SIGNALS)
)
each_hard = pytest.mark.parametrize("hard", list(HARD.values()), ids=list(HARD))
few = hypothesis.settings(max_examples=2, deadline=None)
seeds = st.integers(0, 2**16)


def variants(kinds: Mapping[str, type[Any]]) -> list[Any]:
    """Give each example's settings, and those of the variants that it names, without a model."""
    found = []
    for kind, cls in sorted(kinds.items()):
        for number, example in enumerate(registry.examples(kind), start=1):
            named = {"": example.settings.model_dump(exclude_unset=True)} | {
                f", {name}": one["settings"]
                for name, one in example.costs.get("variants", {}).items()
            }
            for name, given in named.items():
                wanted = {"kind": kind, **given, "model": None, "matrices": None}
                fields = cls.settings_model.model_fields
                settings = cls.settings_model.model_validate(
                    {key: value for key, value in wanted.items() if key in fields}
                )
                found.append(pytest.param(cls, settings, example.spec, id=f"{kind}-{number}{name}"))
    return found


def is_calibrated(cls: Any) -> bool:
    """Say whether a decoder has a calibration of its own: that of the base refuses."""
    refuses: Any = FittedDecoder.calibrate
    return cls.calibrate.__func__ is not refuses.__func__


def fitted_kinds(of: type[Any]) -> dict[str, type[Any]]:
    return {
        kind: cls
        for kind, cls in registry.decoders_by_kind().items()
        if issubclass(cls, of) and is_calibrated(cls)
    }


each_fitted = pytest.mark.parametrize(
    ("cls", "settings", "spec"), variants(fitted_kinds(FittedDecoder))
)
each_kinematic = pytest.mark.parametrize(
    ("cls", "settings", "spec"), variants(fitted_kinds(KinematicDecoder))
)
each_template = pytest.mark.parametrize(
    ("cls", "settings", "spec"), variants(fitted_kinds(TemplateDecoder))
)
each_calibrating_stage = pytest.mark.parametrize(
    ("cls", "settings", "spec"),
    variants(
        {
            kind: cls
            for kind, cls in registry.stages().items()
            if issubclass(cls.settings_model, CalibratedSettings)
        }
    ),
)


def model_or_error(fit: Callable[[], FittedModel]) -> FittedModel | None:
    """Give the model, which holds numbers alone; None for an error of ours."""
    with np.errstate(all="ignore"):  # what overflows is judged by what comes of it
        try:
            model = fit()
        except VolitionError:
            return None
    for name, array in model.arrays.items():
        assert np.isfinite(array).all(), name
    return model


def runs(cls: Any, settings: Settings, spec: SignalSpec, model: FittedModel | None) -> None:
    """Have the model decode a signal; one that cannot be run is refused by an error of ours."""
    if model is None:
        return
    decoder = cls(settings, model)
    samples = noise(np.random.default_rng(1), round(2 * spec.rate_hz), spec.n_channels)
    times = np.arange(len(samples)) / spec.rate_hz
    with np.errstate(all="ignore"), contextlib.suppress(VolitionError):
        decoder.prepare(spec)
        decoder.decode(Chunk(samples, times), [Event(0.1, "trial_start")])


# --- Calibrations of every decoder that has them ------------------------------------------------


def asked(trials: Trials | None, n_trials: int, trial_s: float) -> list[Event]:
    """Give events that ask for everything in turn, as a guide does."""
    if trials is None:
        return []
    if isinstance(trials, PositionTrials):
        angles = np.arange(n_trials) * 2.4
        asked_for: list[Mapping[str, Any]] = [
            {"position": [10 * np.cos(angle), 10 * np.sin(angle)], "radius": 1.0}
            for angle in angles.tolist()
        ]
    else:
        choices = [*trials.choices, *([trials.rest] if trials.rest else [])]
        asked_for = [choices[number % len(choices)].data for number in range(n_trials)]
    return [
        Event(1.0 + trial_s * number, "trial_start", data) for number, data in enumerate(asked_for)
    ]


@each_fitted
@each_hard
def test_a_calibration_on_hard_data_gives_a_model_that_works_or_an_error_of_ours(
    cls: Any, settings: Settings, spec: SignalSpec, hard: Hard
) -> None:
    trials = cls.trials(settings)
    trial_s, n_trials = (0.12, 10) if isinstance(trials, PositionTrials) else (1.8, 12)
    n = round((1.5 + trial_s * n_trials) * spec.rate_hz)
    random = np.random.default_rng(3)
    times = np.arange(n) / spec.rate_hz
    moves = np.arange(0.0, times[-1], 0.05)
    data = CalibrationData(
        spec,
        hard(random, n, spec.n_channels),
        times,
        asked(trials, n_trials, trial_s),
        cursor_times=moves,
        cursor_positions=np.column_stack([np.sin(moves), np.cos(moves)]),
    )
    model = model_or_error(lambda: cls.calibrate(settings, data, lambda *_: None).model)
    runs(cls, settings, spec, model)


# --- Fits of decoders of movement ---------------------------------------------------------------


def reaches_from_rest(random: Random, n_bins: int) -> tuple[FloatArray, FloatArray, Any]:
    """Give positions, velocities and trials of straight reaches that begin and end at rest."""
    n_of_trial = 21
    profile = np.sin(np.pi * np.arange(n_of_trial) / (n_of_trial - 1)) ** 2
    trials = np.arange(n_bins) // n_of_trial
    directions = random.integers(8, size=trials[-1] + 1)[trials] * np.pi / 4
    speeds = 20 * profile[np.arange(n_bins) % n_of_trial]
    velocities = speeds[:, None] * np.column_stack([np.cos(directions), np.sin(directions)])
    starts = np.searchsorted(trials, trials)
    travelled = np.cumsum(velocities, axis=0) * 0.05
    return travelled - travelled[starts], velocities, trials


@each_kinematic
@each_hard
@few
@hypothesis.given(seed=seeds, n_bins=st.sampled_from([1, 12, 60, 126]))
def test_a_fit_of_movement_on_hard_features_gives_a_model_that_works_or_an_error_of_ours(
    cls: Any, settings: Any, spec: SignalSpec, hard: Hard, *, seed: int, n_bins: int
) -> None:
    random = np.random.default_rng(seed)
    positions, velocities, trials = reaches_from_rest(random, n_bins)
    features = hard(random, n_bins, spec.n_channels)
    model = model_or_error(
        lambda: cls.fit(settings, features, velocities, positions=positions, trials=trials)
    )
    runs(cls, settings, spec, model)


@each_kinematic
@each_hard
@few
@hypothesis.given(seed=seeds)
def test_a_fit_of_movement_to_hard_velocities_gives_a_model_that_works_or_an_error_of_ours(
    cls: Any, settings: Any, spec: SignalSpec, hard: Hard, seed: int
) -> None:
    random = np.random.default_rng(seed)
    features = noise(random, 120, spec.n_channels)
    velocities, positions = hard(random, 120, 2), hard(random, 120, 2)
    model = model_or_error(lambda: cls.fit(settings, features, velocities, positions=positions))
    runs(cls, settings, spec, model)


# --- Fits of templates --------------------------------------------------------------------------


@each_template
@each_hard
@few
@hypothesis.given(seed=seeds, n_blocks=st.sampled_from([1, 2, 3, 4]), told=st.booleans())
def test_a_fit_of_templates_to_hard_epochs_gives_a_model_that_works_or_an_error_of_ours(
    cls: Any,
    settings: Any,
    spec: SignalSpec,
    hard: Hard,
    *,
    seed: int,
    n_blocks: int,
    told: bool,  # whether a flicker is in it, so that the fit goes on to its end
) -> None:
    random = np.random.default_rng(seed)
    n_targets = len(settings.targets)
    targets = np.tile(np.arange(n_targets), n_blocks)
    n = settings.window_samples(spec.rate_hz) + 20
    epochs = np.stack([hard(random, n, spec.n_channels).T for _ in targets])
    if told:
        waves = np.sin(
            2 * np.pi * settings.freqs_hz[targets][:, None] * np.arange(n) / spec.rate_hz
        )
        epochs = epochs + float(np.abs(epochs).max()) * waves[:, None]
    model = model_or_error(lambda: cls.estimator(settings, spec.rate_hz).fit(epochs, targets))
    runs(cls, settings, spec, model)


# --- Stages that calibrate ----------------------------------------------------------------------


@each_calibrating_stage
@each_hard_signal
def test_a_stage_that_calibrates_on_a_hard_signal_gives_numbers(
    cls: Any, settings: CalibratedSettings, spec: SignalSpec, hard: Hard
) -> None:
    shorter = settings.model_copy(update={"calibration_s": 4.0})
    stage = cls(shorter)
    stage.prepare(spec)
    random = np.random.default_rng(5)
    n = round(6 * spec.rate_hz)
    samples = np.concatenate(
        [hard(random, n, spec.n_channels), 20 * noise(random, n, spec.n_channels)]
    )
    times = np.arange(len(samples)) / spec.rate_hz
    with np.errstate(all="ignore"):
        for start in range(0, len(samples), 64):
            rows = slice(start, start + 64)
            given = stage.process(Chunk(samples[rows].copy(), times[rows].copy()))
            assert not np.isinf(given.samples).any()  # NaN is what a stage declares missing
