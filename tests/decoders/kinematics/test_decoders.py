from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import CursorIntent, IdleIntent, Intent, canonical_json
from volition.decoders.contract.trials import HELP
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.decoders.kinematics.labels import intended_velocities
from volition.decoders.kinematics.methods.dkf import DkfDecoder, DkfSettings
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.decoders.kinematics.methods.wiener import WienerDecoder
from volition.errors import ConfigError, DecodeError, SpecError

BIN_S = 0.05
MANY = {"n_lags": 4, "lag_decay": 0.8, "n_components": 5}
KINDS: dict[str, tuple[type[KinematicDecoder[Any]], dict[str, Any]]] = {
    "kalman": (KalmanDecoder, {"form": "full"}),
    "kalman-steady": (KalmanDecoder, {"form": "steady", "features": MANY}),
    "kalman-position": (KalmanDecoder, {"state": "position-velocity", "delays": [0, 1, 2]}),
    "dkf-nw-local": (DkfDecoder, {"error": "local"}),
    "dkf-nw-alternative": (DkfDecoder, {"error": "local", "variant": "alternative"}),
    "dkf-gp": (
        DkfDecoder,
        {"regression": {"kind": "gaussian-process", "likelihood_points": 100}},
    ),
    "dkf-kernel-lags": (
        DkfDecoder,
        {
            "regression": {"kind": "kernel-ridge", "choice_points": 100},
            "features": MANY,
            "cross_fit": 3,
            "error_scales": [0.25, 1.0],
        },
    ),
    "dkf-linear": (DkfDecoder, {"regression": {"kind": "linear"}, "refit": False}),
    "dkf-network": (DkfDecoder, {"regression": {"kind": "network", "max_iterations": 30}}),
    "wiener": (WienerDecoder, {"features": {"n_lags": 5}}),
    "mk-dkf": (
        DkfDecoder,
        {"regression": {"kind": "multiple-kernel"}, "features": {"saturation_sd": 2}},
    ),
}

each_kind = pytest.mark.parametrize("kind", sorted(KINDS))
each_filter = pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"wiener"}))


def reach(n_bins: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give features of eight tuned units, velocities and positions of a wandering hand."""
    random = np.random.default_rng(seed)
    velocities = np.zeros((n_bins, 2))
    for t in range(1, n_bins):
        velocities[t] = 0.9 * velocities[t - 1] + 0.4 * random.standard_normal(2)
    tuning = np.random.default_rng(99).standard_normal((8, 2))
    features = np.tanh(velocities @ tuning.T) + 0.5 * random.standard_normal((n_bins, 8)) + 3.0
    return features, velocities, np.cumsum(velocities, axis=0) * BIN_S


TRAINING = reach(600, seed=1)
SPEC = SignalSpec(1 / BIN_S, tuple(f"unit{n}" for n in range(8)))


@pytest.fixture(scope="module")
def fitted() -> dict[str, KinematicDecoder[Any]]:
    decoders = {}
    for name, (cls, given) in KINDS.items():
        settings = cls.settings_model.model_validate({"reset_markers": ["go"], **given})
        features, velocities, positions = TRAINING
        model = cls.fit(settings, features, velocities, positions=positions)
        decoders[name] = cls(settings, model)
    return decoders


def run(
    decoder: KinematicDecoder[Any],
    features: FloatArray,
    lengths: Sequence[int] = (),
    events: Sequence[Event] = (),
) -> list[Intent]:
    decoder.prepare(SPEC)
    times: FloatArray = BIN_S * np.arange(float(len(features)))
    waiting, start, intents = list(events), 0, []
    for length in [*lengths, len(features)]:
        stop = min(start + length, len(features))
        newest = times[stop - 1] if stop > start else -np.inf
        due = [event for event in waiting if event.time <= newest]
        waiting = waiting[len(due) :]
        intents += decoder.decode(Chunk(features[start:stop].copy(), times[start:stop]), due)
        start = stop
    return intents


def velocities_of(intents: Sequence[Intent]) -> FloatArray:
    assert all(isinstance(intent, CursorIntent) for intent in intents)
    return np.array([intent.velocity for intent in intents if isinstance(intent, CursorIntent)])


@each_kind
@hypothesis.settings(max_examples=8)
@hypothesis.given(lengths=st.lists(st.integers(0, 40), max_size=12))
def test_a_kinematic_decoder_gives_the_same_intents_however_the_bins_come(
    fitted: dict[str, KinematicDecoder[Any]], kind: str, lengths: list[int]
) -> None:
    features = reach(120, seed=2)[0]
    features[40:43] = np.nan
    features[60, 3] = np.nan
    events = [
        Event(BIN_S * 10, HELP, {"position": [1, 2], "attenuation": 0.7, "until": BIN_S * 70}),
        Event(BIN_S * 20.5, "go"),
        Event(BIN_S * 80, "go"),
        Event(BIN_S * 90, "other"),
    ]
    whole = run(fitted[kind], features, events=events)
    pieces = run(fitted[kind], features, lengths, events)
    assert len(whole) == len(features)
    assert [canonical_json(one) for one in pieces] == [canonical_json(one) for one in whole]


@each_kind
def test_a_kinematic_decoder_follows_the_hand(
    fitted: dict[str, KinematicDecoder[Any]], kind: str
) -> None:
    features, velocities, _ = reach(400, seed=3)
    decoded = velocities_of(run(fitted[kind], features))
    assert min(metrics.correlation(velocities, decoded)) > 0.8
    limit = 0.85 if kind == "mk-dkf" else 0.6  # prototypes are of direction, not of speed
    assert metrics.nrmse(velocities, decoded) < limit


@each_kind
def test_a_saved_model_decodes_as_the_one_in_memory(
    fitted: dict[str, KinematicDecoder[Any]], kind: str, tmp_path: Path
) -> None:
    decoder = fitted[kind]
    path = decoder.fitted_model().save(tmp_path / "model")
    named = decoder.settings.model_copy(update={"model": str(path)})
    features = reach(60, seed=2)[0]
    again = run(type(decoder)(named), features)
    assert [canonical_json(one) for one in again] == [
        canonical_json(one) for one in run(decoder, features)
    ]


@each_filter
def test_a_missing_bin_is_idle_at_once_and_the_state_is_only_predicted(
    fitted: dict[str, KinematicDecoder[Any]], kind: str
) -> None:
    features = reach(60, seed=2)[0]
    features[30, 5] = np.nan
    decoder = fitted[kind]
    intents = run(decoder, features[:31])
    assert isinstance(intents[29], CursorIntent)
    assert isinstance(intents[30], IdleIntent)
    assert intents[30].reason == "missing_samples"
    state = decoder.state()
    assert state["nis"] is None
    assert state["innovation"] is None
    assert state["velocity"] == [0.0, 0.0]


def test_lags_that_cover_a_missing_bin_are_missing_until_it_has_left_them(
    fitted: dict[str, KinematicDecoder[Any]],
) -> None:
    features = reach(60, seed=2)[0]
    features[30] = np.nan
    intents = run(fitted["dkf-kernel-lags"], features)
    idle = [index for index, one in enumerate(intents) if isinstance(one, IdleIntent)]
    assert idle == [30, 31, 32, 33]


@each_filter
def test_a_marker_starts_the_state_anew_with_the_bin_of_its_time(
    fitted: dict[str, KinematicDecoder[Any]], kind: str
) -> None:
    features = reach(60, seed=2)[0]
    plain = velocities_of(run(fitted[kind], features))
    marked = velocities_of(run(fitted[kind], features, events=[Event(BIN_S * 30, "go")]))
    np.testing.assert_array_equal(marked[:30], plain[:30])
    assert np.abs(marked[30] - plain[30]).max() > 1e-6
    late = velocities_of(run(fitted[kind], features, events=[Event(BIN_S * 30.01, "go")]))
    np.testing.assert_array_equal(late[:31], plain[:31])


@each_filter
def test_the_state_says_what_is_believed_and_how_surprising_the_newest_bin_was(
    fitted: dict[str, KinematicDecoder[Any]], kind: str
) -> None:
    decoder = fitted[kind]
    intents = run(decoder, reach(200, seed=4)[0])
    state = decoder.state()
    last = intents[-1]
    assert isinstance(last, CursorIntent)
    np.testing.assert_allclose(state["mean"][-2:], last.velocity)
    np.testing.assert_allclose(state["covariance"], np.array(last.covariance))
    assert state["nis"] > 0
    assert np.isfinite(state["innovation"]).all()
    assert np.shape(state["gain"])[0] == len(state["mean"])


def test_a_filter_of_positions_says_where_it_believes_the_hand(
    fitted: dict[str, KinematicDecoder[Any]],
) -> None:
    decoder = fitted["kalman-position"]
    last = run(decoder, reach(50, seed=3)[0])[-1]
    assert isinstance(last, CursorIntent)
    assert last.position == pytest.approx(decoder.state()["mean"][:2])
    assert np.array(last.covariance).shape == (4, 4)


def test_a_fit_finds_the_delay_between_features_and_movement() -> None:
    features, velocities, _ = TRAINING
    ahead = np.roll(features, 2, axis=0)  # what comes in now tells of the hand two bins ago
    behind = np.vstack([features[2:], features[:2]])  # and here, of the hand two bins from now
    settings = KalmanSettings(delays=[0, 1, 2, 3])
    assert int(KalmanDecoder.fit(settings, features, velocities).arrays["feature_delay"]) == 0
    assert int(KalmanDecoder.fit(settings, behind, velocities).arrays["feature_delay"]) == 2
    assert int(KalmanDecoder.fit(settings, ahead, velocities).arrays["feature_delay"]) == 0


def test_q_is_learned_from_bins_that_the_regression_did_not_see() -> None:
    features, velocities, _ = TRAINING
    memory = {"kind": "kernel-ridge", "length_scales": [0.05], "ridges": [1e-8]}
    for given in ({"held_out": 0.3}, {"cross_fit": 4}):
        settings = DkfSettings.model_validate({"regression": memory, **given})
        model = DkfDecoder.fit(settings, features, velocities)
        # The regression knows its training bins by heart: on those its error would be nothing.
        assert model.facts["nrmse_of_f"] > 0.5
        assert np.trace(model.arrays["Q"]) > 0.25 * np.trace(model.arrays["S"])


def test_settings_that_a_model_was_not_fitted_with_are_refused(
    fitted: dict[str, KinematicDecoder[Any]],
) -> None:
    decoder = fitted["mk-dkf"]
    plain = DkfSettings.model_validate({"regression": {"kind": "multiple-kernel"}})
    with pytest.raises(ConfigError, match="saturation_sd"):
        DkfDecoder(plain, decoder.fitted_model()).prepare(SPEC)


@each_kind
def test_a_signal_of_other_channels_than_the_models_is_refused(
    fitted: dict[str, KinematicDecoder[Any]], kind: str
) -> None:
    with pytest.raises(SpecError, match="8 features"):
        fitted[kind].prepare(SignalSpec(20.0, ("a", "b")))


def test_a_workspace_of_other_dimensions_is_refused(
    fitted: dict[str, KinematicDecoder[Any]],
) -> None:
    decoder = fitted["kalman"]
    settings = KalmanSettings.model_validate({"cursor": {"workspace": [[0, 1]]}})
    with pytest.raises(ConfigError, match="workspace"):
        KalmanDecoder(settings, decoder.fitted_model()).prepare(SPEC)


@pytest.mark.parametrize(
    ("features", "velocities", "message"),
    [
        (np.zeros((50, 3)), np.zeros((49, 2)), r"\(50, 3\), \(49, 2\)"),
        (np.zeros((5, 3)), np.zeros((5, 2)), "at least 40"),
        (np.full((50, 3), np.nan), np.zeros((50, 2)), "NaN"),
    ],
)
def test_data_that_cannot_be_fitted_on_are_named(
    features: FloatArray, velocities: FloatArray, message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        DkfDecoder.fit(DkfSettings(), features, velocities)


def test_a_filter_of_positions_needs_positions() -> None:
    settings = KalmanSettings(state="position-velocity")
    with pytest.raises(DecodeError, match="found none"):
        KalmanDecoder.fit(settings, TRAINING[0], TRAINING[1])


def test_a_constant_feature_breaks_no_fit() -> None:
    features, velocities, _ = TRAINING
    features = np.column_stack([features[:, :7], np.full(len(features), 4.0)])
    for cls, settings in ((KalmanDecoder, KalmanSettings()), (DkfDecoder, DkfSettings())):
        decoder: KinematicDecoder[Any] = cls(settings, cls.fit(settings, features, velocities))  # type: ignore[arg-type]  # each class with its own settings
        assert np.isfinite(velocities_of(run(decoder, features[:50]))).all()


def test_given_matrices_decode_a_plain_signal_once_a_step() -> None:
    settings = KalmanSettings.model_validate(
        {
            "form": "steady",
            "step_s": 0.1,
            "matrices": {
                "transition": [[0.9, 0], [0, 0.9]],
                "transition_covariance": [[0.1, 0], [0, 0.1]],
                "observation": [[1, 0], [0, 1], [1, 1]],
                "observation_variance": [1, 1, 2],
            },
        }
    )
    decoder = KalmanDecoder(settings)
    decoder.prepare(SignalSpec(100.0, ("a", "b", "c")))
    signal = np.random.default_rng(0).standard_normal((1000, 3))
    times = np.arange(1000) / 100.0
    intents = decoder.decode(Chunk(signal, times), [])
    assert [intent.t_sample for intent in intents] == times[9::10].tolist()

    full = KalmanDecoder(settings.model_copy(update={"form": "full", "step_s": None}))
    full.prepare(SignalSpec(10.0, ("a", "b", "c")))
    means = signal.reshape(100, 10, 3).mean(axis=1)
    expected = full.decode(Chunk(means, times[9::10]), [])
    np.testing.assert_allclose(velocities_of(intents)[-1], velocities_of(expected)[-1], atol=1e-9)


def test_intended_velocities_keep_their_speed_and_point_at_the_target() -> None:
    velocities = np.array([[3.0, 4.0], [0.0, -2.0], [1.0, 1.0], [1.0, 0.0]])
    positions = np.array([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0], [2.0, 2.0]])
    targets = np.array([[10.0, 0.0], [1.0, 4.0], [5.5, 5.0], [2.0, 2.0]])
    held = np.array([False, False, True, False])
    intended = intended_velocities(velocities, positions, targets, held)
    np.testing.assert_allclose(intended, [[5.0, 0.0], [0.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
