"""The calibrated decoders: independent implementations, live against batch, and what is refused."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import eigh, svd

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import SelectionIntent
from volition.decoders.fitting.fitted import FittedModel, load_model
from volition.decoders.ssvep.estimator import REST, IntArray
from volition.decoders.ssvep.methods.ecca import ECCA, EccaDecoder, EccaSettings
from volition.decoders.ssvep.methods.fbcca import FBCCA, FbccaSettings
from volition.decoders.ssvep.methods.tdca import TDCA, TdcaDecoder, TdcaSettings
from volition.decoders.ssvep.methods.trca import (
    ETRCA,
    EtrcaDecoder,
    EtrcaSettings,
    leading_filter,
    shared_and_total,
)
from volition.decoders.ssvep.templates import TemplateDecoder, TemplateEstimator
from volition.errors import ConfigError, DecodeError, ModelError, NotFittedError

RATE_HZ = 250.0
N_CHANNELS = 6
LABELS = ("O1", "Oz", "O2", "PO3", "POz", "PO4")
FREQS_HZ = np.array([8.0, 8.6, 9.2, 9.8, 10.4, 11.0])
ALL: list[tuple[Any, Any, Any]] = [
    (ECCA, EccaSettings, EccaDecoder),
    (ETRCA, EtrcaSettings, EtrcaDecoder),
    (TDCA, TdcaSettings, TdcaDecoder),
]
each = pytest.mark.parametrize(
    ("estimator", "model", "decoder"), ALL, ids=["ecca", "etrca", "tdca"]
)


def made(settings_model: Any, **changes: Any) -> Any:
    targets = [{"label": f"{freq_hz:g}", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
    return settings_model.model_validate(
        {"targets": targets, "window_s": 0.5, "n_subbands": 3, "n_harmonics": 3, **changes}
    )


def trials(n_blocks: int, seed: int, sensor_uv: float = 1.7) -> tuple[FloatArray, IntArray]:
    """Give epochs of 1 s and their targets: a response of two harmonics, in mixed noise."""
    person, rng = np.random.default_rng(1), np.random.default_rng(seed)
    mixing = person.standard_normal((N_CHANNELS, N_CHANNELS))
    patterns = person.standard_normal((2, N_CHANNELS))
    shifts = person.uniform(0, 2 * np.pi, (2, len(FREQS_HZ)))
    targets = np.tile(np.arange(len(FREQS_HZ)), n_blocks)
    times = np.arange(round(RATE_HZ)) / RATE_HZ
    epochs = np.empty((len(targets), N_CHANNELS, len(times)))
    for number, target in enumerate(targets):
        phases = 2 * np.pi * FREQS_HZ[target] * times
        noise = rng.standard_normal((2, N_CHANNELS, len(times)))
        epochs[number] = 2.0 * mixing @ noise[0] + sensor_uv * noise[1]
        epochs[number] += np.outer(patterns[0], np.sin(phases + shifts[0, target]))
        epochs[number] += 0.6 * np.outer(patterns[1], np.sin(2 * phases + shifts[1, target]))
    return epochs, targets


# --- Independent implementations -------------------------------------------------------------


def corr(ours: FloatArray, theirs: FloatArray) -> float:
    return float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])


def first_pair(ours: FloatArray, theirs: FloatArray) -> tuple[FloatArray, float]:
    """Give the first canonical vector of ``ours`` and the correlation, by two SVDs."""
    u, s, vt = svd(ours, full_matrices=False)
    _, _, other = svd(theirs, full_matrices=False)
    left, rho, _ = svd(vt @ other.T)
    return u @ (left[:, 0] / s), float(rho[0])


def sines(freq_hz: float, n: int) -> FloatArray:
    turns = 2 * np.pi * freq_hz * np.arange(n) / RATE_HZ
    rows = np.array([wave(h * turns) for h in (1, 2, 3) for wave in (np.sin, np.cos)])
    centred: FloatArray = rows - rows.mean(axis=1, keepdims=True)
    return centred


def naive_ecca(train: FloatArray, window: FloatArray) -> FloatArray:
    scores = np.empty((window.shape[0], len(FREQS_HZ)))
    for band, target in itertools.product(range(window.shape[0]), range(len(FREQS_HZ))):
        x = window[band] - window[band].mean(axis=1, keepdims=True)
        m = train[target, :, band].mean(axis=0)
        m = m - m.mean(axis=1, keepdims=True)
        y = sines(FREQS_HZ[target], x.shape[1])
        (a, r1), (b, _), (c, _) = first_pair(x, y), first_pair(x, m), first_pair(m, y)
        parts = [r1, *(corr(w @ x, w @ m) for w in (b, a, c))]
        scores[band, target] = sum(np.sign(r) * r**2 for r in parts)
    return scores


def naive_etrca(train: FloatArray, window: FloatArray) -> FloatArray:
    n_targets, n_trials, n_bands = train.shape[:3]
    scores = np.empty((n_bands, n_targets))
    for band in range(n_bands):
        filters = []
        for target in range(n_targets):
            one = [x - x.mean(axis=1, keepdims=True) for x in train[target, :, band]]
            pairs = itertools.permutations(range(n_trials), 2)
            between = sum(one[first] @ one[second].T for first, second in pairs)
            total = sum(x @ x.T for x in one)
            filters.append(eigh(between, total)[1][:, -1])
        for target in range(n_targets):
            mean = train[target, :, band].mean(axis=0)
            ours, theirs = (
                np.array([w @ (x - x.mean(axis=1, keepdims=True)) for w in filters])
                for x in (window[band], mean)
            )
            scores[band, target] = corr(ours, theirs)
    return scores


def naive_tdca(train: FloatArray, window: FloatArray, delays: int, kept: int) -> FloatArray:
    n_targets, n_trials, n_bands, _, n = train.shape
    scores = np.empty((n_bands, n_targets))

    def stacked(x: FloatArray, target: int) -> FloatArray:
        x = x - x.mean(axis=1, keepdims=True)
        rows = np.vstack([np.pad(x[:, d:], ((0, 0), (0, d))) for d in range(delays + 1)])
        q = np.linalg.qr(sines(FREQS_HZ[target], n).T)[0]
        return np.hstack([rows, rows @ q @ q.T])

    for band in range(n_bands):
        every = [[stacked(x, k) for x in train[k, :, band]] for k in range(n_targets)]
        means = [sum(one) / n_trials for one in every]
        centre = sum(means) / n_targets
        between = sum((m - centre) @ (m - centre).T for m in means) / n_targets
        within = sum((x - m) @ (x - m).T for one, m in zip(every, means, strict=True) for x in one)
        filters = eigh(between, within / (n_targets * n_trials))[1][:, ::-1][:, :kept].T
        for target in range(n_targets):
            scores[band, target] = corr(
                filters @ stacked(window[band], target), filters @ means[target]
            )
    return scores


def by_target(n_blocks: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    shape = (len(FREQS_HZ), n_blocks, 2, N_CHANNELS, 125)
    shared = rng.standard_normal((*shape[:1], 1, *shape[2:]))
    windows: FloatArray = shared + 1.5 * rng.standard_normal(shape)
    return windows


@pytest.mark.parametrize(
    ("estimator", "naive", "settings_model", "changes"),
    [
        (ECCA, naive_ecca, EccaSettings, {}),
        (ETRCA, naive_etrca, EtrcaSettings, {}),
        (
            TDCA,
            lambda a, b: naive_tdca(a, b, 2, 3),
            TdcaSettings,
            {"n_delays": 2, "n_components": 3},
        ),
    ],
    ids=["ecca", "etrca", "tdca"],
)
def test_the_scores_are_those_of_the_equations_written_out(
    estimator: Any, naive: Any, settings_model: Any, changes: dict[str, Any]
) -> None:
    train, window = by_target(4, 1), by_target(1, 2)[2, 0]
    one = estimator(made(settings_model, n_subbands=2, **changes), RATE_HZ)
    ours = one.band_scores(one.learned(train), window)
    np.testing.assert_allclose(ours, naive(train, window), rtol=1e-5, atol=1e-6)


def test_the_filter_is_meegkits() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's own, on import
        peer = pytest.importorskip("meegkit.trca", reason="needs the extra bench")
    windows = by_target(5, 3)[0, :, 0]
    windows = windows - windows.mean(axis=-1, keepdims=True)  # it centres all trials as one
    ours = leading_filter(*shared_and_total(windows))[0]
    theirs = np.ravel(peer.trca(windows.transpose(2, 1, 0).copy()))
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert abs(cosine) == pytest.approx(1.0, abs=1e-6)


# --- Decoding --------------------------------------------------------------------------------


@each
def test_a_calibration_reads_new_trials_live_as_in_a_batch(
    estimator: type[TemplateEstimator[Any]], model: Any, decoder: type[TemplateDecoder[Any]],
    tmp_path: Path,
) -> None:  # fmt: skip
    settings = made(model, delay_s=0.2)
    fitted = estimator(settings, RATE_HZ).fit(*trials(6, 5))
    assert fitted.facts["accuracy"] > 0.6
    path = fitted.save(tmp_path / "person")
    again = load_model(path)
    assert again.version == fitted.version
    epochs, targets = trials(3, 8)
    batch = estimator(settings, RATE_HZ, again).decision_function(epochs)
    assert (batch.argmax(axis=1) == targets).mean() > 0.6
    live = decoder(made(model, delay_s=0.2, model=str(path)))
    live.prepare(SignalSpec(RATE_HZ, LABELS))
    times = np.arange(250) / RATE_HZ
    (intent,) = live.decode(Chunk(epochs[4].T.copy(), times), [Event(75 / RATE_HZ, "go")])
    assert isinstance(intent, SelectionIntent)
    alone = estimator(settings, RATE_HZ, again).decision_function(epochs[4:5])
    assert list(intent.evidence.values()) == alone[0].tolist()
    assert live.model_version == fitted.version


def test_templates_read_short_windows_that_sines_alone_cannot() -> None:
    train, targets = trials(5, 21, 3.0)
    test, wanted = trials(6, 22, 3.0)
    settings = made(FbccaSettings)
    fbcca = FBCCA(settings, RATE_HZ).score(test, wanted)
    accuracy = {}
    for estimator, model, _ in ALL:
        one = estimator(made(model), RATE_HZ)
        one.fit(train, targets)
        accuracy[model.model_fields["kind"].default] = float((one.predict(test) == wanted).mean())
    assert min(accuracy.values()) > fbcca + 0.2


def test_a_filter_is_learned_from_the_neighbours_in_frequency_too() -> None:
    train = by_target(4, 9)
    one = ETRCA(made(EtrcaSettings, n_subbands=2, n_neighbours=2), RATE_HZ)
    sums = [shared_and_total(train[target, :, 1]) for target in (2, 3, 4)]
    pooled = leading_filter(*np.sum(sums, axis=0))[0]
    found = one.learned(train)["filters"][1, 3]
    assert abs(found @ pooled) / np.linalg.norm(found) / np.linalg.norm(pooled) > 1 - 1e-9
    everyone = ETRCA(made(EtrcaSettings, n_subbands=2, n_neighbours=5), RATE_HZ).learned(train)
    first = everyone["filters"][:, :1]
    np.testing.assert_allclose(np.abs(everyone["filters"]), np.abs(first).repeat(6, axis=1))


def test_a_selection_below_the_confidence_wanted_is_rest() -> None:
    one = ETRCA(made(EtrcaSettings, min_confidence=0.999), RATE_HZ)
    one.fit(*trials(5, 5))
    assert (one.predict(np.random.default_rng(0).standard_normal((20, 6, 250))) == REST).all()


# --- Refusals --------------------------------------------------------------------------------


@each
def test_a_calibration_whose_flicker_is_not_locked_to_its_onset_is_refused(
    estimator: type[TemplateEstimator[Any]], model: Any, decoder: Any
) -> None:
    one = estimator(made(model), RATE_HZ)
    rng = np.random.default_rng(40)
    noise = rng.standard_normal((24, N_CHANNELS, 250))
    with pytest.raises(DecodeError, match=r"not above chance: \d+ of 24 trials right"):
        one.fit(noise, np.tile(np.arange(6), 4))
    assert one.model is None


def test_of_several_recordings_each_is_left_out_whole_and_what_holds_in_one_alone_is_refused() -> (
    None
):
    days = [trials(3, day) for day in range(3)]
    late = [
        (np.roll(epochs, round(0.06 * day * RATE_HZ), axis=-1), targets)
        for day, (epochs, targets) in enumerate(days)
    ]
    recordings = np.repeat(np.arange(3), len(days[0][1]))

    def fit(of: Any, recordings: Any = None) -> FittedModel:
        epochs, targets = (np.concatenate(parts) for parts in zip(*of, strict=True))
        return ETRCA(made(EtrcaSettings), RATE_HZ).fit(epochs, targets, recordings)

    alike = fit(days, recordings)
    assert alike.facts["left_out"] == "recordings"
    assert alike.facts["accuracy"] > 0.6
    assert fit(days).facts["left_out"] == "blocks"
    # The flicker began elsewhere on each day: within a day all is well, from one to another not.
    assert all(fit([day]).facts["accuracy"] > 0.6 for day in late)
    with pytest.raises(DecodeError, match="of 54 trials right with their recording left out"):
        fit(late, recordings)
    # Two trials of each target are needed; of two recordings with one each, one is left.
    few = fit([days[0], (days[1][0][:6], days[1][1][:6])], np.repeat([0, 1], [18, 6]))
    assert few.facts["left_out"] == "blocks"


def test_trials_that_cannot_be_learned_from_are_refused_by_what_is_wrong() -> None:
    one = ECCA(made(EccaSettings), RATE_HZ)
    epochs, targets = trials(2, 1)
    with pytest.raises(DecodeError, match="etrca needs at least 3 trials of each target"):
        ETRCA(made(EtrcaSettings), RATE_HZ).fit(epochs, targets)
    with pytest.raises(DecodeError, match=r"target '8\.6' has 1"):
        one.fit(np.delete(epochs, 1, axis=0), np.delete(targets, 1))
    missing = epochs.copy()
    missing[3, 0, 100] = np.nan
    with pytest.raises(DecodeError, match="1 of 12 trials hold missing samples"):
        one.fit(missing, targets)
    flat = epochs.copy()
    flat[:, 2] = 5.0
    with pytest.raises(DecodeError, match="channel 2 is flat"):
        one.fit(flat, targets)
    with pytest.raises(DecodeError, match="shorter than the window"):
        one.fit(epochs[..., :50], targets)


def test_a_model_of_something_else_is_refused() -> None:
    fitted = ETRCA(made(EtrcaSettings), RATE_HZ).fit(*trials(4, 5))
    spec = SignalSpec(RATE_HZ, LABELS)
    with pytest.raises(NotFittedError, match="etrca needs a fitted model"):
        EtrcaDecoder(made(EtrcaSettings)).prepare(spec)
    with pytest.raises(ModelError, match="fitted for etrca"):
        TdcaDecoder(made(TdcaSettings), fitted).prepare(spec)
    with pytest.raises(ConfigError, match=r"fitted for window_s 0\.5; found 1\.0"):
        EtrcaDecoder(made(EtrcaSettings, window_s=1.0), fitted).prepare(spec)
    with pytest.raises(ConfigError, match="fitted for n_channels 6; found 2"):
        EtrcaDecoder(made(EtrcaSettings), fitted).prepare(SignalSpec(RATE_HZ, ("O1", "O2")))
    with pytest.raises(NotFittedError):
        ETRCA(made(EtrcaSettings), RATE_HZ).decision_function(trials(1, 1)[0])


@each
def test_real_trials_without_a_locked_phase_are_refused(
    estimator: type[TemplateEstimator[Any]], model: Any, decoder: Any, shared_data: Path
) -> None:
    # The LEDs of this data set ran free of the cue: a person whom FBCCA reads without a fault.
    with np.load(shared_data / "ssvep_exo" / "S12_r1.npz") as content:
        eeg, freqs_hz, onsets = (content[name] for name in ("eeg", "freq_hz", "onset"))
        scale_uv = float(content["scale_uV"])
    epochs = np.stack([scale_uv * eeg[:, onset : onset + 768] for onset in onsets[freqs_hz > 0]])
    targets = [{"label": f"{freq_hz}", "freq_hz": freq_hz} for freq_hz in (13, 17, 21)]
    settings = made(model, targets=targets, window_s=0.5)
    wanted = np.searchsorted([13, 17, 21], freqs_hz[freqs_hz > 0])
    with pytest.raises(DecodeError, match="not above chance"):
        estimator(settings, 256.0).fit(epochs, wanted)
