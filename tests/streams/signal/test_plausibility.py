"""A signal that is not what it says it is, told from two people's recordings that were changed."""

from __future__ import annotations

import functools
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

import volition.streams
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.artifacts.electrodes import find_positions
from volition.streams.files.recording import Recording, read_recording
from volition.streams.signal.plausibility import HOLDS_S, LEAST_SECONDS
from volition.streams.signal.quality import SignalQuality

RECORDINGS = Path(volition.streams.__file__).parent / "recordings"
PEOPLE = ("ssvep-exo-s03", "ssvep-exo-s12")
SECONDS = 60


@functools.cache
def recording(name: str) -> Recording:
    return read_recording(RECORDINGS / f"{name}.xdf")


def watched(
    samples: FloatArray, spec: SignalSpec, seconds: int = SECONDS
) -> tuple[SignalQuality, list[set[str]]]:
    """Watch a signal second by second; give what was found at each."""
    quality = SignalQuality(spec, positions=find_positions(spec.labels))
    n = round(spec.rate_hz)
    found = []
    for start in range(0, n * seconds, n):
        quality.add(Chunk(samples[start : start + n].copy(), np.arange(n) / spec.rate_hz))
        quality.update()
        seen = quality.plausibility() or {"findings": []}
        found.append({one["code"] for one in seen["findings"]})
    return quality, found


def spec_of(name: str, **changes: object) -> SignalSpec:
    spec = recording(name).spec
    given = {"rate_hz": spec.rate_hz, "labels": spec.labels, "units": spec.units}
    return SignalSpec(**{**given, "kinds": spec.kinds, **changes})  # type: ignore[arg-type]  # of its own fields


@pytest.mark.parametrize("name", PEOPLE)
def test_a_persons_recording_is_plausible_all_along(name: str) -> None:
    one = recording(name)
    quality, found = watched(one.samples, spec_of(name), int(one.duration_s))
    assert not set().union(*found)
    seen = quality.plausibility()
    assert seen is not None
    assert 2 < seen["amplitude_uv"] < 20
    assert seen["order"] < -0.6
    assert seen["reference"] == "other"
    json.dumps(seen, allow_nan=False)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("factor", [1000.0, 1e6])
def test_another_unit_is_told_of_by_the_amplitude(name: str, factor: float) -> None:
    _, found = watched(factor * recording(name).samples, spec_of(name))
    assert found[-1] == {"amplitude"}


@pytest.mark.parametrize("name", PEOPLE)
def test_a_signal_of_a_millionth_is_flat(name: str) -> None:
    quality, _ = watched(1e-6 * recording(name).samples, spec_of(name))
    assert all(channel["flat"] for channel in quality.report())


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("pair", [("Oz", "PO8"), ("O1", "PO8"), ("PO7", "O2")])
def test_two_channels_that_were_exchanged_are_named(name: str, pair: tuple[str, str]) -> None:
    labels = list(recording(name).spec.labels)
    first, second = (labels.index(label) for label in pair)
    labels[first], labels[second] = labels[second], labels[first]
    quality, found = watched(recording(name).samples, spec_of(name, labels=tuple(labels)))
    assert found[-1] == {"channels"}
    seen = quality.plausibility()
    assert seen is not None
    assert all(label in seen["findings"][0]["text"] for label in pair)


@pytest.mark.parametrize("name", PEOPLE)
def test_the_average_as_reference_is_told_of(name: str) -> None:
    samples = recording(name).samples
    quality, found = watched(samples - samples.mean(axis=1, keepdims=True), spec_of(name))
    assert "reference" in found[-1]
    seen = quality.plausibility()
    assert seen is not None
    assert seen["reference"] == "average"


@pytest.mark.parametrize("announced_hz", [128.0, 240.0, 250.0, 264.0])
def test_another_rate_is_told_of_by_where_the_hum_lies(announced_hz: float) -> None:
    samples = recording("ssvep-exo-s03").samples
    times = np.arange(len(samples)) / 256.0
    humming = samples + 6 * np.sin(2 * np.pi * 50.0 * times)[:, None]
    quality, found = watched(humming, spec_of("ssvep-exo-s03", rate_hz=announced_hz))
    assert "rate" in found[-1]
    seen = quality.plausibility()
    assert seen is not None
    (text,) = [one["text"] for one in seen["findings"] if one["code"] == "rate"]
    (about_hz,) = re.findall(r"about ([\d.]+) Hz", text)
    assert float(about_hz) == pytest.approx(256.0, abs=1.0)
    _, at_the_true_rate = watched(humming, spec_of("ssvep-exo-s03"))
    assert not at_the_true_rate[-1]


def test_noise_is_no_eeg_of_these_electrodes() -> None:
    labels = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz")
    noise = 10 * np.random.default_rng(0).standard_normal((256 * SECONDS, 13))
    spec = SignalSpec(256.0, labels, ("microvolts",) * 13, ("EEG",) * 13)
    _, found = watched(noise, spec)
    assert "channels" in found[-1]


def test_a_signal_that_only_rises_with_frequency_is_no_eeg() -> None:
    noise = np.random.default_rng(0).standard_normal((256 * SECONDS + 2, 8))
    _, found = watched(10 * np.diff(noise, n=2, axis=0), spec_of("ssvep-exo-s03"))
    assert "spectrum" in found[-1]


def test_nothing_is_said_too_early_nor_of_what_is_no_eeg() -> None:
    wrong = 1000 * recording("ssvep-exo-s03").samples
    _, found = watched(wrong, spec_of("ssvep-exo-s03"))
    first = next(second for second, codes in enumerate(found, start=1) if codes)
    assert first == LEAST_SECONDS + HOLDS_S - 1
    quality, found = watched(wrong, spec_of("ssvep-exo-s03", kinds=("EMG",) * 8))
    assert quality.plausibility() is None
    assert not any(found)


def test_seconds_that_lack_samples_and_flat_channels_do_not_count() -> None:
    samples = recording("ssvep-exo-s12").samples.copy()
    samples[256 * 20 : 256 * 30] = np.nan
    samples[:, 2] = 0.0
    _, found = watched(samples, spec_of("ssvep-exo-s12"))
    assert not any(found)


def test_it_costs_less_than_the_look_at_the_channels_itself() -> None:
    samples = np.random.default_rng(0).standard_normal((1000, 64))
    labels = tuple(f"x{number}" for number in range(64))
    spec = SignalSpec(1000.0, labels, ("microvolts",) * 64, ("EEG",) * 64)
    places = np.random.default_rng(1).standard_normal((64, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)

    def best_s(quality: SignalQuality) -> float:
        taken = []
        for _ in range(LEAST_SECONDS + 10):
            quality.add(Chunk(samples, np.arange(1000) / 1000.0))
            began = time.process_time()
            quality.update()
            taken.append(time.process_time() - began)
        return min(taken[LEAST_SECONDS:])

    without = best_s(SignalQuality(SignalSpec(1000.0, labels, ("none",) * 64, ("AUX",) * 64)))
    assert best_s(SignalQuality(spec, positions=places)) < 3 * without + 2e-3
