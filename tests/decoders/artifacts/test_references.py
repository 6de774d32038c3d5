"""Which channels show the eyes, when they do, and the Wiener filter that is fitted by them."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.chunk import SignalSpec
from volition.decoders.artifacts.references import ReferenceGate, find_references
from volition.decoders.artifacts.wiener import artifact_mask, fit_wiener, stack_past
from volition.errors import ConfigError


def test_eye_channels_are_found_by_kind_label_or_place() -> None:
    by_kind = SignalSpec(250, ("Fp1", "x", "Cz"), kinds=("EEG", "EOG", "EEG"))
    assert find_references(by_kind, None, "rls").references == [1]
    by_label = SignalSpec(250, ("Fp1", "EOG1", "Cz", "VEOG"))
    found = find_references(by_label, None, "rls")
    assert (found.references, found.cleaned, found.proxy) == ([1, 3], [0, 2], False)
    by_place = SignalSpec(250, ("Fp1", "Cz", "Fp2"))
    found = find_references(by_place, None, "rls")
    assert (found.references, found.cleaned, found.proxy) == ([0, 2], [0, 1, 2], True)
    assert find_references(by_place, ["Cz"], "rls").references == [1]


def test_without_a_reference_the_error_says_what_would_do() -> None:
    with pytest.raises(ConfigError, match=r"kind EOG.*Oz, O1"):
        find_references(SignalSpec(250, ("Oz", "O1")), None, "rls")
    with pytest.raises(ConfigError, match="no channel VEOG"):
        find_references(SignalSpec(250, ("Oz", "O1")), ["VEOG"], "rls")


@hypothesis.given(cuts=st.lists(st.integers(0, 60), max_size=12))
def test_the_gate_is_the_same_to_the_bit_however_the_signal_is_cut(cuts: list[int]) -> None:
    references = np.random.default_rng(0).standard_normal((300, 2)) ** 3

    def gate() -> ReferenceGate:
        return ReferenceGate(np.array([2.0, 3.0]), 0.1, 100.0)

    whole = gate().gains(references)
    cut_gate, pieces, start = gate(), [], 0
    for length in [*cuts, 300]:
        pieces.append(cut_gate.gains(references[start : start + length]))
        start += length
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_the_gate_opens_at_once_and_closes_by_its_time_constant() -> None:
    references = np.zeros((400, 1))
    references[100] = 4.0
    gains = ReferenceGate(np.array([1.0]), 0.5, 100.0).gains(references)
    assert (gains[:100] == 0).all()
    assert gains[100] == 1.0
    # The envelope falls from 4 by e each 50 samples: to 1 after 69 samples, to a half after 104.
    assert gains[168] == 1.0
    assert 0 < gains[180] < 1
    assert (gains[205:] == 0).all()


def test_past_samples_stand_beside_the_newest() -> None:
    stacked = stack_past(np.arange(1.0, 6.0)[:, None], 2, 2)
    np.testing.assert_array_equal(stacked, [[1, 0], [2, 0], [3, 1], [4, 2], [5, 3]])


def test_the_wiener_filter_is_the_least_squares_estimate_of_the_artifact() -> None:
    rng = np.random.default_rng(1)
    brain = rng.standard_normal((40000, 3)) @ rng.standard_normal((3, 3))
    mask = np.zeros(40000, dtype=bool)
    mask[20000:] = True
    artifact = np.where(mask[:, None], 6 * rng.standard_normal((40000, 1)) * [1.0, 0.5, 0.2], 0)
    found, detector, _ = fit_wiener(brain + artifact, mask)
    estimate = (brain + artifact)[mask] @ found
    best = np.linalg.lstsq((brain + artifact)[mask], artifact[mask], rcond=None)[0]
    error = np.square(estimate - artifact[mask]).sum()
    least = np.square((brain + artifact)[mask] @ best - artifact[mask]).sum()
    assert error < 1.05 * least
    assert (brain @ detector).std() == pytest.approx(1.0, rel=0.05)


def test_the_mask_covers_a_blink_and_what_is_around_it() -> None:
    references = np.random.default_rng(2).standard_normal((1000, 1))
    references[500:550] += 40
    mask = artifact_mask(references, 100.0)
    assert mask[490:560].all()
    assert mask.mean() < 0.15


def test_shrinkage_leaves_more_of_a_signal_that_it_was_not_fitted_on() -> None:
    rng = np.random.default_rng(8)
    mixing = np.geomspace(1, 0.05, 12)[:, None] * rng.standard_normal((12, 12))
    brain = rng.standard_normal((4000, 12)) @ mixing + 0.02 * rng.standard_normal((4000, 12))
    mask = np.arange(4000) % 400 < 100
    artifact = np.outer(10 * rng.standard_normal(4000) * mask, rng.standard_normal(12))
    given = brain + artifact
    lost, left = [], []
    for shrinkage in (0.0, 0.1):
        found, _, _ = fit_wiener(given[:400], mask[:400], taps=5, spacing=2, shrinkage=shrinkage)
        error = np.square(brain - given + stack_past(given, 5, 2) @ found)[400:]
        lost.append(error[~mask[400:]].mean())
        left.append(error[mask[400:]].mean())
    assert lost[1] < 0.75 * lost[0]
    assert left[1] < left[0] < 0.05 * np.square(artifact[mask]).mean()
