"""Work on a fixed grid of the sample clock, whatever chunks the signal comes in.

A decision taken when a chunk ends would depend on how the signal was cut. `Grid` counts samples
and cuts chunks where a block ends instead; `BlockMap` multiplies rows by a matrix always in one
shape, since a matrix product of another shape may round otherwise; `BlockDelay` holds back whole
blocks, so that a decision can reach the samples that it was taken from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from volition.chunk import FloatArray


class Grid:
    """Counts samples and says where blocks end."""

    def __init__(self, block_samples: int) -> None:
        self.block_samples = block_samples
        self.position = 0

    def reset(self) -> None:
        self.position = 0

    def pieces(self, n_samples: int) -> Iterator[tuple[slice, int, bool]]:
        """Cut the next ``n_samples``: their slice, its place in the block, whether it ends one."""
        start = 0
        while start < n_samples:
            offset = self.position % self.block_samples
            stop = min(n_samples, start + self.block_samples - offset)
            self.position += stop - start
            yield slice(start, stop), offset, self.position % self.block_samples == 0
            start = stop


class BlockMap:
    """Multiplies rows of a block by matrices, each block in one shape.

    Parameters
    ----------
    block_samples, n_channels
        Shape of a block.
    """

    def __init__(self, block_samples: int, n_channels: int) -> None:
        self._rows = np.zeros((block_samples, n_channels))

    def apply(self, samples: FloatArray, offset: int, matrix: FloatArray) -> FloatArray:
        """Give ``samples @ matrix`` for samples that lie at ``offset`` of their block."""
        place = slice(offset, offset + len(samples))
        self._rows[place] = samples
        product: FloatArray = (self._rows @ matrix)[place]
        return product


def raised_cosine(n: int) -> FloatArray:
    """Give a rise from above 0 to 1 over ``n`` samples."""
    rise: FloatArray = (1 - np.cos(np.pi * np.arange(1, n + 1) / n)) / 2
    return rise


class BlockDelay:
    """A queue of whole blocks of samples, their times and what was missing in them."""

    def __init__(self, n_blocks: int) -> None:
        self.n_blocks = n_blocks
        self._blocks: deque[tuple[FloatArray, FloatArray, FloatArray]] = deque()

    def reset(self) -> None:
        self._blocks.clear()

    def push(
        self, samples: FloatArray, times: FloatArray, raw: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Take a block; give the one that is ``n_blocks - 1`` older, once there is one."""
        self._blocks.append((samples, times, raw))
        return self._blocks.popleft() if len(self._blocks) >= self.n_blocks else None
