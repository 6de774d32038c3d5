"""A simulated person who imagines: what shows, where, and from day to day."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy

from volition.chunk import Event, FloatArray
from volition.errors import ConfigError
from volition.streams.simulated.imagery_participant import ImageryParticipant

PERSON = ImageryParticipant(seed=2, eyes_uv=0.0, muscle_uv=0.0, blinks_per_min=0.0)


def power(samples: FloatArray, rate_hz: float, low: float, high: float) -> FloatArray:
    freqs, found = scipy.signal.welch(samples, rate_hz, nperseg=256, axis=0)
    inside = (freqs >= low) & (freqs <= high)
    mean: FloatArray = found[inside].mean(axis=0)
    return mean


def imagined(label: str | None, person: ImageryParticipant = PERSON) -> FloatArray:
    """Give the mu power of each channel while a class is imagined for a minute."""
    signal = person.sit()
    signal.attend(None if label is None else person.classes.index(label))
    n = round(60 * person.rate_hz)
    return power(signal.take(0, n), person.rate_hz, 9, 13)


def test_imagining_a_hand_weakens_the_other_side() -> None:
    left, right, rest = imagined("left"), imagined("right"), imagined(None)
    c3, c4 = PERSON.labels.index("C3"), PERSON.labels.index("C4")

    assert right[c3] < 0.6 * rest[c3]
    assert left[c4] < 0.6 * rest[c4]
    assert right[c3] / left[c3] < 0.75
    assert left[c4] / right[c4] < 0.75


def test_however_it_is_cut_it_is_the_same_to_the_last_bit() -> None:
    person = ImageryParticipant(seed=5, bursts_per_min=60, blinks_per_min=30)
    whole, cut = person.sit(3), person.sit(3)
    for signal in (whole, cut):
        signal.attend(0, at_sample=200)
        signal.attend(None, at_sample=700)
    edges = [0, 1, 8, 8, 263, 640, 1000]
    pieces = [cut.take(a, b) for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.take(0, 1000))


def test_another_day_mixes_the_electrodes_anew() -> None:
    def covariance(day: int) -> FloatArray:
        found: FloatArray = np.cov(PERSON.sit(day).take(0, 6000).T)
        return found

    same, other = covariance(0), covariance(1)
    assert np.abs(other - same).max() > 0.2 * np.abs(same).max()


def test_the_eyes_go_with_the_cue() -> None:
    person = replace(PERSON, eyes_uv=100.0, labels=("F7", "F8", "C3", "C4"))
    sides = {}
    for label in ("left", "right"):
        with_eyes, without = person.sit(), replace(person, eyes_uv=0.0).sit()
        for signal in (with_eyes, without):
            signal.attend(person.classes.index(label))
        moved = (with_eyes.take(0, 125) - without.take(0, 125))[-60:].mean(axis=0)
        sides[label] = moved
    assert sides["right"][1] > 10 > -10 > sides["right"][0]
    np.testing.assert_allclose(sides["left"], -sides["right"])


def test_a_marker_names_the_class() -> None:
    signal = PERSON.sit()
    assert signal.target_of(Event(0.0, "trial_start", {"class": "right"})) == 1
    assert signal.target_of(Event(0.0, "trial_start", {"class": "tongue"})) is None
    assert signal.target_of(Event(0.0, "trial_end", {"class": "right"})) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 electrodes"):
        ImageryParticipant(labels=("C3",))
    with pytest.raises(ConfigError, match="share below 1"):
        ImageryParticipant(weakening=1.5)
    with pytest.raises(ConfigError, match="allowed: 0 to 1"):
        PERSON.sit().attend(7)
