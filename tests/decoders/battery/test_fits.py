"""What every fit is held to: hard data end in a model that works, or in an error of ours.

A family is met by being registered, as in `test_battery`: its examples, and the variants that they
name for the benchmarks (``costs``), are what is fitted. The data are those that break linear
algebra: constant, tiny, huge, duplicated, collinear, all but silent, hardly any. Whatever is not a
usable model must be one of `volition.errors`, with a sentence; `LinAlgError` is none.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import volition.decoders
from tests.decoders.battery.test_battery import Example, each_decoder
from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import PositionTrials, Trials
from volition.decoders.fitting.calibration import CalibrationData
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.kinematics.click import ClickSettings, with_click
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.decoders.kinematics.methods.adaptation import RecursiveLikelihood, SmoothBatch
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.methods.fbcca import FBCCA, FbccaSettings
from volition.decoders.ssvep.templates import TemplateDecoder
from volition.decoders.ssvep.transfer.pretrained import PretrainedSettings
from volition.decoders.ssvep.transfer.pretraining import PretrainedSSVEP
from volition.decoders.stages.blocks import CalibratedSettings
from volition.decoders.stages.hmm import Hmm
from volition.decoders.stages.markov import fit_markov
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
#: Those that have no level, no rank or no bound: what a decoder learns from while it runs.
HARDEST = ("zero", "nearly constant", "vanishing", "overflowing", "duplicated", "one sample live")
each_hard_signal = pytest.mark.parametrize(
    "hard", list(HARD_SIGNALS.values()), ids=list(HARD_SIGNALS)
)
each_hard = pytest.mark.parametrize("hard", list(HARD.values()), ids=list(HARD))
few = hypothesis.settings(max_examples=2, deadline=None)
seeds = st.integers(0, 2**16)


#: A forest of few trees is fitted as one of many is.
FEW_TREES = {"kind": "random-forest", "n_trees": 5}


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
                if wanted.get("regression", {}).get("kind") == "random-forest":
                    wanted["regression"] = FEW_TREES
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
STAGES = variants(registry.stages())
each_stage = pytest.mark.parametrize(("cls", "settings", "spec"), STAGES)
each_calibrating_stage = pytest.mark.parametrize(
    ("cls", "settings", "spec"),
    [one for one in STAGES if isinstance(one.values[1], CalibratedSettings)],
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


def marked(cls: Any, settings: Settings, spec: SignalSpec, hard: Hard) -> CalibrationData:
    """Give hard data with events that ask for everything in turn."""
    trials = cls.trials(settings)
    trial_s, n_trials = (0.12, 10) if isinstance(trials, PositionTrials) else (1.8, 12)
    n = round((1.5 + trial_s * n_trials) * spec.rate_hz)
    random = np.random.default_rng(3)
    times = np.arange(n) / spec.rate_hz
    moves = np.arange(0.0, times[-1], 0.05)
    return CalibrationData(
        spec,
        hard(random, n, spec.n_channels),
        times,
        asked(trials, n_trials, trial_s),
        cursor_times=moves,
        cursor_positions=np.column_stack([np.sin(moves), np.cos(moves)]),
    )


@each_fitted
@each_hard
def test_a_calibration_on_hard_data_gives_a_model_that_works_or_an_error_of_ours(
    cls: Any, settings: Settings, spec: SignalSpec, hard: Hard
) -> None:
    data = marked(cls, settings, spec, hard)
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


@each_kinematic
@each_hard
def test_a_refresh_on_hard_data_gives_a_model_that_works_or_an_error_of_ours(
    cls: Any, settings: Any, spec: SignalSpec, hard: Hard
) -> None:
    data = marked(cls, settings, spec, hard)
    runs(cls, settings, spec, model_or_error(lambda: cls.refresh(settings, data)))


KALMAN = KalmanSettings()
UNITS = SignalSpec(20.0, ("a", "b", "c", "d"))


def moved(features: Random, n_bins: int = 80) -> tuple[FloatArray, FloatArray]:
    """Give features that follow a movement, and its velocities."""
    velocities = noise(features, n_bins, 2)
    return velocities @ noise(features, 2, 4) + noise(features, n_bins, 4), velocities


@each_hard
@pytest.mark.parametrize("in_batches", [True, False], ids=["batches", "bins"])
def test_a_model_that_goes_on_learning_from_hard_features_works_or_says_an_error_of_ours(
    hard: Hard, in_batches: bool
) -> None:
    random = np.random.default_rng(2)
    begun = KalmanDecoder.fit(KALMAN, *moved(random))

    def newer() -> FittedModel:
        features, intended = hard(random, 40, 4), hard(random, 40, 2)
        if in_batches:
            return SmoothBatch(begun, half_life_s=1.0).update(features, intended, 0.05)
        learner = RecursiveLikelihood(begun, half_life_s=1.0, bin_s=0.05)
        learner.update(features, intended)
        return learner.model()

    runs(KalmanDecoder, KALMAN, UNITS, model_or_error(newer))


@each_hard
def test_clicks_of_hard_features_give_a_model_that_works_or_an_error_of_ours(hard: Hard) -> None:
    random = np.random.default_rng(2)
    begun = KalmanDecoder.fit(KALMAN, *moved(random))
    clicking = np.arange(40) % 4 == 0
    model = model_or_error(lambda: with_click(begun, hard(random, 40, 4), clicking))
    runs(KalmanDecoder, KALMAN.model_copy(update={"click": ClickSettings()}), UNITS, model)


@each_hard
@pytest.mark.parametrize("emission", ["gaussian", "poisson"])
def test_states_learned_from_hard_features_work_or_are_an_error_of_ours(
    hard: Hard, emission: str
) -> None:
    with np.errstate(all="ignore"), contextlib.suppress(VolitionError):
        found = fit_markov(hard(np.random.default_rng(4), 50, 4), 2, emission=emission)
        stage = Hmm(found)
        stage.prepare(UNITS)
        samples = noise(np.random.default_rng(5), 20, 4)
        given = stage.process(Chunk(samples, np.arange(20) / UNITS.rate_hz))
        assert np.isfinite(given.samples).all()


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


@each_hard
@pytest.mark.parametrize("told", [True, False], ids=["flickers", "rest"])
def test_thresholds_of_hard_epochs_are_numbers_or_an_error_of_ours(hard: Hard, told: bool) -> None:
    settings = FbccaSettings.model_validate({"targets": FLICKERS, "window_s": 0.5})
    epochs, targets = epochs_of(hard, told)
    with np.errstate(all="ignore"), contextlib.suppress(VolitionError):
        fitted = FBCCA(settings, EIGHT.rate_hz).fit(epochs, targets).settings
        assert math.isfinite(fitted.idle_ratio)
        assert math.isfinite(fitted.sharpness)


@each_hard
def test_what_hard_people_teach_is_numbers_or_an_error_of_ours(hard: Hard) -> None:
    settings = PretrainedSettings.model_validate({"targets": FLICKERS, "window_s": 1.0})
    epochs, targets = epochs_of(hard, told=True)
    people = ["one", "two"] * (len(targets) // 2)
    with np.errstate(all="ignore"), contextlib.suppress(VolitionError):
        taught = PretrainedSSVEP(settings, EIGHT.rate_hz).fit(epochs, targets, people)
        assert np.isfinite(taught.decision_function(epochs_of(noise, told=True)[0])).all()


EIGHT = SignalSpec(128.0, tuple("abcdefgh"))
FLICKERS = [{"label": f"{hz} Hz", "freq_hz": hz} for hz in (9, 11)]


def epochs_of(hard: Hard, told: bool) -> tuple[FloatArray, Any]:
    """Give epochs of two flickers and of rest, or of rest alone."""
    targets = np.tile([0, 1, REST] if told else [REST], 4)
    random = np.random.default_rng(6)
    return np.stack([hard(random, 140, 8).T for _ in targets]), targets


# --- What is learned from the signal as it comes ------------------------------------------------


@each_calibrating_stage
@each_hard_signal
def test_a_stage_fitted_to_a_hard_recording_holds_numbers_or_says_an_error_of_ours(
    cls: Any, settings: CalibratedSettings, spec: SignalSpec, hard: Hard
) -> None:
    stage = cls(settings)
    samples = hard(np.random.default_rng(5), round(6 * spec.rate_hz), spec.n_channels)
    with np.errstate(all="ignore"), contextlib.suppress(VolitionError):
        parameters = stage.fit(samples, spec)
        assert all(np.isfinite(one).all() for one in parameters.values())
        stage.use(parameters)
        stage.prepare(spec)


@each_stage
@each_hard_signal
def test_a_stage_that_runs_on_a_hard_signal_gives_numbers(
    cls: Any, settings: Settings, spec: SignalSpec, hard: Hard
) -> None:
    shorter = {"calibration_s": 4.0} if isinstance(settings, CalibratedSettings) else {}
    stage = cls(settings.model_copy(update=shorter))
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


@each_decoder
@pytest.mark.parametrize("hard", [HARD_SIGNALS[name] for name in HARDEST], ids=HARDEST)
def test_a_decoder_that_runs_on_a_hard_signal_says_numbers_or_an_error_of_ours(
    example: Example, hard: Hard
) -> None:
    decoder, times = example.decoder(), example.times()
    samples = hard(np.random.default_rng(7), len(times), example.spec.n_channels)
    with np.errstate(all="ignore"), contextlib.suppress(VolitionError):
        for start in range(0, len(times), 64):
            rows = slice(start, start + 64)
            chunk = Chunk(samples[rows].copy(), times[rows].copy())
            due = [one for one in example.events() if chunk.times[0] <= one.time <= chunk.times[-1]]
            for intent in decoder.decode(chunk, due):
                assert all(map(math.isfinite, numbers_in(intent.model_dump()))), intent


def numbers_in(told: Any) -> Iterator[float]:
    """Give every number of something told."""
    if isinstance(told, Mapping):
        told = list(told.values())
    if isinstance(told, list | tuple):
        for one in told:
            yield from numbers_in(one)
    elif isinstance(told, float):
        yield told


# --- Nothing is forgotten -----------------------------------------------------------------------

#: What functions are called that learn from data.
LEARNS = re.compile(r"_?(fit|fitted|learn|learned|calibrate|refresh)(_.+)?|update|with_click")
#: Functions so called that learn nothing themselves.
OTHERS = {
    "fit_subspace",  # takes the steps of another that does
    "fit_wiener",  # the same
    "_fitted",  # of a calibration that was accepted: calls a fit of templates
    "FittedDecoder.calibrate",  # refuses
    "FittedDecoder.refresh",  # refuses
    "FittedDecoder.fitted_model",  # reads one
    "RecurrentDecoder.fit",  # refuses: a network is trained elsewhere
    "NetworkMethod.fit",  # the same
    "Course.fit",  # fits a discriminant, which is met
    "NetworkDecoder.calibrate",  # the same
    "SelectorDecoder.learn_from",  # most decoders do not
    "BlockStage.learn",  # a stage that has nothing to learn
}


def functions_that_learn() -> dict[CodeType, str]:
    """Give the code and the name of every function of the decoders that learns from data."""
    found: dict[CodeType, str] = {}
    for info in pkgutil.walk_packages(volition.decoders.__path__, "volition.decoders."):
        module = importlib.import_module(info.name)
        for owner in (module, *filter(inspect.isclass, vars(module).values())):
            for member in vars(owner).values():
                function = getattr(member, "__func__", member)
                is_ours = inspect.isfunction(function) and function.__module__ == info.name
                if not is_ours or not LEARNS.fullmatch(function.__name__):
                    continue
                is_abstract = getattr(function, "__isabstractmethod__", False)
                is_contract = getattr(owner, "_is_protocol", False)
                if not is_abstract and not is_contract and function.__qualname__ not in OTHERS:
                    found[function.__code__] = f"{info.name}.{function.__qualname__}"
    return found


def meet(test: Any, only: str = ".*", **given: Any) -> None:
    """Run one of the tests above on easy data, for the parameters with such ids."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    marks = {mark.args[0]: mark.args[1] for mark in test.pytestmark}
    names = next(name for name in marks if name != "hard")
    for one in marks[names]:
        if re.fullmatch(only, one.id):
            values = zip([names] if isinstance(names, str) else names, one.values, strict=True)
            inner(**dict(values), hard=noise, **given)


def test_every_function_that_learns_is_met_by_these_tests() -> None:
    learning = functions_that_learn()
    met: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            met.add(frame.f_code)

    sys.setprofile(note)
    try:
        meet(
            test_a_calibration_on_hard_data_gives_a_model_that_works_or_an_error_of_ours,
            r"(?!dkf|wiener|tdca|ecca|etrca|riemann).*|dkf-1",
        )
        meet(
            test_a_fit_of_movement_on_hard_features_gives_a_model_that_works_or_an_error_of_ours,
            seed=0,
            n_bins=60,
        )
        meet(test_a_refresh_on_hard_data_gives_a_model_that_works_or_an_error_of_ours, "kalman-1")
        for in_batches in (True, False):
            test_a_model_that_goes_on_learning_from_hard_features_works_or_says_an_error_of_ours(
                noise, in_batches
            )
        test_clicks_of_hard_features_give_a_model_that_works_or_an_error_of_ours(noise)
        test_states_learned_from_hard_features_work_or_are_an_error_of_ours(noise, "gaussian")
        meet(
            test_a_fit_of_templates_to_hard_epochs_gives_a_model_that_works_or_an_error_of_ours,
            seed=0,
            n_blocks=4,
            told=True,
        )
        test_thresholds_of_hard_epochs_are_numbers_or_an_error_of_ours(noise, told=True)
        test_what_hard_people_teach_is_numbers_or_an_error_of_ours(noise)
        meet(test_a_stage_fitted_to_a_hard_recording_holds_numbers_or_says_an_error_of_ours)
        meet(test_a_stage_that_runs_on_a_hard_signal_gives_numbers)
        meet(test_a_decoder_that_runs_on_a_hard_signal_says_numbers_or_an_error_of_ours, r".+-1")
    finally:
        sys.setprofile(None)
    forgotten = sorted(name for code, name in learning.items() if code not in met)
    assert not forgotten, "what learns must be met by a test above, on all hard data"
