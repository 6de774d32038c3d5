"""A window factored before its last part came gives what the whole window gives."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np

from volition.chunk import FloatArray
from volition.decoders.ssvep.scores.correlation import (
    Moments,
    ReferenceFactor,
    correlation_matrices,
    phases,
    references,
)
from volition.decoders.ssvep.windows.partial import LastPart, PartialWindow

RATE_HZ = 256.0
FREQS_HZ = np.array([8.0, 13.0, 21.0])


def both_ways(
    bands: FloatArray, n_last: int, n_harmonics: int = 3, start: int = 0
) -> tuple[FloatArray, FloatArray | None]:
    """Give M M' of the whole window, and by way of all but its last samples."""
    n_bands, n_channels, n_samples = bands.shape
    radians = phases(FREQS_HZ, n_harmonics, RATE_HZ)
    waves = references(radians, start, n_samples)
    factor = ReferenceFactor.of(radians, n_samples).starting_at(radians, start)
    whole = Moments(n_bands, n_channels, len(waves) - 1)
    whole.measure(bands, waves)
    so_far = Moments(n_bands, n_channels, len(waves) - 1)
    so_far.measure(bands[:, :, :-n_last].copy(), waves[:, :-n_last].copy())
    partial = PartialWindow(so_far, LastPart.of(factor, waves[:, -n_last:]))
    return correlation_matrices(whole, factor), partial.correlation_matrices(bands[:, :, -n_last:])


@hypothesis.given(
    shape=st.tuples(st.integers(1, 12), st.integers(60, 300)),
    n_last=st.integers(1, 20),
    n_harmonics=st.integers(1, 5),
    start=st.integers(-1000, 1000),
    louder=st.sampled_from([0.0, 1.0, 30.0]),
)
def test_it_gives_what_the_whole_window_gives(
    shape: tuple[int, int], n_last: int, n_harmonics: int, start: int, louder: float
) -> None:
    rng = np.random.default_rng(start + 1000)
    mixing = np.eye(shape[0]) + 0.3 * rng.standard_normal((shape[0], shape[0]))
    hypothesis.assume(np.linalg.cond(mixing) < 30)
    bands = mixing @ rng.standard_normal((2, *shape))
    bands[:, :, -n_last:] *= louder
    whole, partial = both_ways(bands + 3.0, n_last, n_harmonics, start)
    assert partial is not None
    np.testing.assert_allclose(partial, whole, rtol=0, atol=1e-9)


def test_dependent_flat_and_silent_channels_change_nothing() -> None:
    rng = np.random.default_rng(3)
    good = rng.standard_normal((2, 3, 200))
    flat, silent = np.full((2, 1, 200), 1e3), np.zeros((2, 1, 200))
    doubled = np.concatenate([good, good[:, :1], good[:, 1:2] - good[:, 2:], flat, silent], axis=1)
    whole, _ = both_ways(good, 5)
    _, partial = both_ways(doubled, 5)
    assert partial is not None
    np.testing.assert_allclose(partial, whole, atol=1e-6)


def test_where_the_last_part_is_unlike_the_rest_the_whole_has_to_be_factored() -> None:
    bands = np.random.default_rng(0).standard_normal((2, 4, 200))
    popped, woken, silenced = bands.copy(), bands.copy(), bands.copy()
    popped[:, 2, -3:] = 1e9
    woken[:, 2, :-3] = 0.0
    silenced[1, :, -1] = np.nan
    for one in (popped, woken, silenced):
        _, partial = both_ways(one, 5)
        assert partial is None


def test_a_window_that_cannot_be_factored_is_not_begun() -> None:
    bands = np.random.default_rng(0).standard_normal((2, 4, 200))
    bands[0, 1, 3] = np.nan
    assert both_ways(bands, 5)[1] is None
