"""The fixed grid of the sample clock."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np

from volition.decoders.artifacts.grid import BlockMap, Grid


@hypothesis.given(lengths=st.lists(st.integers(0, 40), max_size=20), block=st.integers(1, 16))
def test_blocks_end_at_the_same_samples_however_the_signal_is_cut(
    lengths: list[int], block: int
) -> None:
    grid, position, ends = Grid(block), 0, []
    for length in lengths:
        covered = 0
        for piece, offset, is_end in grid.pieces(length):
            assert piece.start == covered
            assert offset == (position + piece.start) % block
            covered = piece.stop
            if is_end:
                ends.append(position + piece.stop)
        assert covered == length
        position += length
    assert ends == list(range(block, position + 1, block))


def test_a_row_is_multiplied_alike_wherever_the_block_is_cut() -> None:
    rng = np.random.default_rng(0)
    rows, matrix = rng.standard_normal((13, 37)), rng.standard_normal((37, 37))
    whole = BlockMap(13, 37).apply(rows, 0, matrix)
    one = BlockMap(13, 37)
    single = np.concatenate([one.apply(rows[i : i + 1], i, matrix) for i in range(13)])
    np.testing.assert_array_equal(single, whole)
    np.testing.assert_allclose(whole, rows @ matrix, rtol=1e-12)
