"""The classifiers of flashes against what they are by definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.decoders.codes.book import CodeBook
from volition.decoders.codes.erp.area import area
from volition.decoders.codes.erp.densities import Densities
from volition.decoders.codes.erp.lda import block_toeplitz, learn_lda, score_lda, shrunk_covariance
from volition.decoders.codes.erp.stepwise import learn_stepwise
from volition.decoders.codes.erp.xdawn import learn_xdawn, riemannian_mean, score_xdawn
from volition.decoders.codes.markers import read_flash, was_asked
from volition.streams.files.recording import read_recording

UNITY = Path(__file__).resolve().parents[4] / "shared/data/unity_marker_xdf"


def epochs(seed: int = 0, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_target = np.arange(n) % 5 == 0
    made = rng.standard_normal((n, 4, 10)).cumsum(axis=2)
    made[is_target, 1:3, 4:7] += 2.5
    return made, is_target


def test_the_covariance_is_shrunk_by_the_formula_of_ledoit_and_wolf() -> None:
    rows = np.random.default_rng(1).standard_normal((40, 6)) @ np.diag([1, 2, 3, 1, 1, 4.0])
    centred = rows - rows.mean(axis=0)
    sample = centred.T @ centred / len(rows)
    target = np.trace(sample) / 6 * np.eye(6)
    spread = sum(((np.outer(x, x) - sample) ** 2).sum() for x in centred) / len(rows) ** 2
    shrinkage = min(spread / ((sample - target) ** 2).sum(), 1.0)

    np.testing.assert_allclose(
        shrunk_covariance(rows), (1 - shrinkage) * sample + shrinkage * target, rtol=1e-9
    )


def test_a_block_toeplitz_covariance_depends_on_the_time_between_alone() -> None:
    rows = epochs()[0].reshape(200, -1)

    blocks = block_toeplitz(shrunk_covariance(rows), 4).reshape(4, 10, 4, 10)

    np.testing.assert_allclose(blocks[:, 2, :, 5], blocks[:, 6, :, 9])
    assert np.linalg.eigvalsh(blocks.reshape(40, 40)).min() > 0


def test_the_riemannian_mean_of_commuting_matrices_is_their_geometric_mean() -> None:
    diagonals = np.random.default_rng(2).uniform(0.5, 4, (7, 3))

    mean = riemannian_mean(np.array([np.diag(one) for one in diagonals]))

    np.testing.assert_allclose(mean, np.diag(np.exp(np.log(diagonals).mean(axis=0))), atol=1e-6)


@pytest.mark.parametrize("kind", ["lda", "toeplitz", "stepwise", "xdawn"])
def test_each_classifier_tells_targets_that_it_has_not_seen(kind: str) -> None:
    made, is_target = epochs()
    unseen, wanted = epochs(seed=9)
    if kind == "xdawn":
        scores = score_xdawn(learn_xdawn(made, is_target, 2), unseen)
    elif kind == "stepwise":
        scores = score_lda(learn_stepwise(made, is_target), unseen)
    else:
        scores = score_lda(learn_lda(made, is_target, toeplitz=kind == "toeplitz"), unseen)

    assert area(scores, wanted.tolist()) > 0.85


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(3)
    scores, told = rng.integers(0, 6, 60).astype(float), rng.random(60) < 0.3
    gap = np.subtract.outer(scores[told], scores[~told])

    assert area(scores, told.tolist()) == pytest.approx(((gap > 0) + (gap == 0) / 2).mean())


def test_a_ratio_of_densities_is_that_of_the_normal_ones_and_never_beyond_its_limit() -> None:
    rng = np.random.default_rng(4)
    told = np.arange(20_000) % 2 == 0
    scores = rng.standard_normal(20_000) + told

    found = Densities.of(scores, told)

    np.testing.assert_allclose(found.log_ratios(np.array([0.0, 1.0])), [-0.5, 0.5], atol=0.1)
    assert np.abs(found.log_ratio).max() <= np.log(100) + 1e-9


@pytest.mark.skipif(not UNITY.is_dir(), reason="the data set unity_marker_xdf is not there")
def test_every_flash_of_a_unity_program_is_read() -> None:
    recording = read_recording(UNITY / "p300_checkerboard_run1.xdf")
    items = [f"{number}" for number in range(16)]
    book = CodeBook.model_validate({"items": items, "code": {"kind": "checkerboard", "columns": 4}})
    marked = [event for event in recording.events if event.name.startswith("p300")]

    flashes = [read_flash(event.name, book, "unity") for event in marked]

    assert len(marked) > 30
    assert all(flash is not None and flash.on.any() and not flash.fault for flash in flashes)
    asked = [was_asked(event, book, "unity") for event in marked]
    assert {True, False} == {*asked}
