"""Thresholds know what the stages before a decoder let through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.passband import share_left
from volition.decoders.ssvep.estimator import REST as REST_TARGET
from volition.decoders.ssvep.methods.cca import CCA, CcaDecoder, CcaSettings
from volition.decoders.ssvep.methods.fbcca import FBCCA, FbccaDecoder, FbccaSettings
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import Engine, run_offline
from volition.streams.files.recording import packaged_recordings, read_recording

RATE_HZ = 250.0
REST: dict[str, Any] = {
    "stream": {"type": "EEG"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": f"{hz}", "freq_hz": hz} for hz in range(9, 16)],
        "n_harmonics": 3,
        "n_subbands": 3,
        "band_high_hz": 50.0,
        "window_s": 2.0,
    },
}
EXO: dict[str, Any] = {
    "targets": [{"label": f"{hz} Hz", "freq_hz": hz} for hz in (13, 17, 21)],
    "window_s": 2.0,
    "trigger": "sliding",
    "step_s": 0.25,
}
UNCALIBRATED: dict[str, dict[str, Any]] = {
    "fbcca": {"n_harmonics": 2, "n_subbands": 4, "band_high_hz": 60.0},
    "cca": {"band_high_hz": 60.0},
    "ssvep_pretrained": {},
}
SPEC = SignalSpec(RATE_HZ, tuple("abcdefgh"))
CHAINS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "notch": [{"kind": "notch", "freq_hz": 50}],
    "wide": [{"kind": "bandpass", "low_hz": 3, "high_hz": 100}],
    "narrow": [{"kind": "bandpass", "low_hz": 6, "high_hz": 38}],
    "lowpass": [{"kind": "lowpass", "cutoff_hz": 30}],
    "slower": [{"kind": "resample", "rate_hz": 125}],
}


def behind(chain: list[dict[str, Any]]) -> SignalSpec:
    config = parse_config(
        {
            "stream": {"type": "EEG"},
            "stages": chain,
            "decoder": {
                "kind": "cca",
                "targets": [{"label": "a", "freq_hz": 8}, {"label": "b", "freq_hz": 9}],
            },
        }
    )
    return config.build_cleaner(SPEC).spec


def test_a_notch_and_nothing_leave_a_band_whole() -> None:
    assert share_left(behind(CHAINS["none"]), 8, 88, 4) == 1.0
    assert share_left(behind(CHAINS["notch"]), 8, 88, 4) == 1.0


def test_a_band_pass_leaves_its_share_of_a_band() -> None:
    narrow = behind(CHAINS["narrow"])
    assert 30 / 80 <= share_left(narrow, 8, 88, 4) <= 50 / 80
    assert share_left(narrow, 10, 30, 4) == 1.0


def test_filters_in_a_row_leave_what_all_of_them_leave() -> None:
    both = behind([*CHAINS["narrow"], {"kind": "highpass", "cutoff_hz": 20}])
    assert share_left(both, 8, 88, 4) < share_left(behind(CHAINS["narrow"]), 8, 88, 4)


def test_a_signal_that_was_filtered_is_of_the_same_spec() -> None:
    assert behind(CHAINS["narrow"]) == SPEC


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", ["fbcca", "cca"])
def test_rest_stays_rest_behind_any_chain(kind: str, chain: str) -> None:
    low = {"n_subbands": 3} if kind == "fbcca" else {}
    config = parse_config(
        {
            "stream": {"type": "EEG"},
            "stages": CHAINS[chain],
            "decoder": {
                "kind": kind,
                "targets": [{"label": f"{hz}", "freq_hz": hz} for hz in range(9, 16)],
                "n_harmonics": 3,
                "band_high_hz": 50.0,
                "window_s": 2.0,
                "trigger": "sliding",
                "step_s": 0.5,
                **low,
            },
            "selections": "every",
            "rehearse": False,
        }
    )
    rng = np.random.default_rng(11)
    n = int(90 * RATE_HZ)
    engine = Engine(config, SPEC)
    samples, times = 10 * rng.standard_normal((n, 8)), 100 + np.arange(n) / RATE_HZ
    kinds = [
        intent.kind
        for start in range(0, n, 50)
        for intent in engine.step(
            Chunk(samples[start : start + 50].copy(), times[start : start + 50].copy())
        )
    ]
    assert len(kinds) > 150
    assert kinds.count("selection") <= 0.06 * len(kinds)


FITTED_CHAINS = [*CHAINS, "notched"]
CHAINS["notched"] = [
    {"kind": "bandpass", "low_hz": 5, "high_hz": 45},
    {"kind": "notch", "freq_hz": 30, "quality": 5},
]


def rest_behind(chain: str, seed: int, n_epochs: int) -> tuple[FloatArray, SignalSpec]:
    """Make epochs of 3 s of noise behind a chain, shape (n_epochs, 4, n_samples)."""
    config = parse_config({**REST, "stages": CHAINS[chain]})
    cleaner = config.build_cleaner(SignalSpec(RATE_HZ, ("O1", "Oz", "O2", "POz")))
    n = int((n_epochs + 1) * 3 * RATE_HZ)
    noise = 10 * np.random.default_rng(seed).standard_normal((n, 4))
    clean = cleaner.whole(noise, np.arange(n) / RATE_HZ).samples
    n_samples = int(3 * cleaner.spec.rate_hz)
    rows = clean[-n_epochs * n_samples :].reshape(n_epochs, n_samples, 4)
    return np.ascontiguousarray(rows.transpose(0, 2, 1)), cleaner.spec


@pytest.mark.parametrize("chain", FITTED_CHAINS)
def test_a_threshold_that_was_fitted_behind_a_chain_holds_in_a_session_with_it(chain: str) -> None:
    settings = FbccaSettings.model_validate(REST["decoder"])
    epochs, spec = rest_behind(chain, 1, 150)
    estimator = FBCCA(settings, spec.rate_hz, spec)
    fitted = estimator.fit(epochs, np.full(150, REST_TARGET), false_share=0.1).settings
    decoder = FbccaDecoder(fitted)
    decoder.prepare(spec)
    others, _ = rest_behind(chain, 2, 150)
    best = FBCCA(fitted, spec.rate_hz, spec).decision_function(others).max(axis=1)
    assert np.count_nonzero(best >= decoder.state()["threshold"]) <= 30
    # The same share of the trials that it was fitted to, to the one.
    seen = estimator.decision_function(epochs).max(axis=1)
    assert np.count_nonzero(seen >= decoder.state()["threshold"]) == 15


@pytest.mark.parametrize("kind", [FBCCA, CCA])
@pytest.mark.parametrize("chain", FITTED_CHAINS)
def test_on_epochs_rest_is_what_it_is_on_a_stream(chain: str, kind: Any) -> None:
    of_fbcca = kind is FBCCA
    model, decoder_of = (FbccaSettings, FbccaDecoder) if of_fbcca else (CcaSettings, CcaDecoder)
    settings: Any = model.model_validate(
        {**REST["decoder"], "kind": model.model_fields["kind"].default}
        | ({} if of_fbcca else {"n_subbands": 1})
    )
    epochs, spec = rest_behind(chain, 3, 40)
    decoder: Any = decoder_of(settings)
    decoder.prepare(spec)
    estimator = kind(settings, spec.rate_hz, spec)
    scores = estimator.decision_function(epochs)
    idle = estimator.is_idle(scores, 4)
    threshold = decoder.state()["threshold"] if of_fbcca else decoder._scorer.threshold
    assert (idle == (scores.max(axis=1) < threshold)).all()
    assert idle.mean() >= 0.9


@pytest.mark.parametrize(
    ("kind", "chain"),
    [
        (kind, chain)
        for kind in UNCALIBRATED
        for chain in FITTED_CHAINS
        # Its third harmonic lies above half of that rate.
        if (kind, chain) != ("ssvep_pretrained", "slower")
    ],
)
def test_a_person_at_rest_selects_nothing_behind_any_chain(kind: str, chain: str) -> None:
    recording = read_recording(packaged_recordings()["ssvep-exo-s03"]).between(10.0, 64.0)
    config = parse_config(
        {
            "stream": {"type": "EEG"},
            "stages": CHAINS[chain],
            "decoder": {"kind": kind, **EXO, **UNCALIBRATED[kind]},
            "selections": "every",
        }
    )
    intents = run_offline(config, recording.spec, recording.chunks(64))
    kinds = [intent.kind for intent in intents]
    assert len(kinds) > 200
    assert kinds.count("selection") <= 0.01 * len(kinds)
