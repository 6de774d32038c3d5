"""Intervals of figures whose trials come in clusters: those of one person are much alike.

A person who is read badly is read badly in all of their trials, so an interval that takes trials
for independent is too narrow: what is drawn anew is people (Field and Welsh, J. R. Stat. Soc. B
69:369, 2007). Each draw takes as many people as there are, with replacement, whole, and works the
figure out again; the interval lies between percentiles of the draws. With few people percentiles
alone are too narrow; they are those of Student's t instead of the normal distribution (Hesterberg,
Am. Stat. 69:371, 2015, the expanded percentile interval). With eight people, seven of whom are read
well, an interval of 95 % so made holds the truth in about nine of ten studies (a test); one that
takes trials for independent does in about half.

Every figure here is a function of sums over clusters, so a draw is a product of counts and sums. A
figure of one cluster has no interval: nothing tells how another would differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import FloatArray

N_DRAWS = 4000
CONFIDENCE = 0.95

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Which cluster each item (a recording, a trial, a stretch of time) is of.

    Attributes
    ----------
    of
        What a cluster is: ``people``, or ``recordings`` where nobody knows whose they are.
    names
        Names of the clusters, in the order of `places`.
    places : ndarray of int, shape (n_items,)
        Number of each item's cluster.
    """

    of: str
    names: tuple[str, ...]
    places: IntArray

    @classmethod
    def by_name(cls, of: str, names: Sequence[str]) -> Clusters:
        """Give the clusters of items that each name theirs, in order of appearance."""
        known = tuple(dict.fromkeys(names))
        places = {name: place for place, name in enumerate(known)}
        return cls(of, known, np.array([places[name] for name in names], dtype=np.int64))

    def sums(self, values: npt.ArrayLike) -> FloatArray:
        """Sum values of the items (n_items, ...) over each cluster, shape (n_clusters, ...)."""
        given = np.asarray(values, dtype=np.float64)
        total = np.zeros((len(self.names), *given.shape[1:]))
        np.add.at(total, self.places, given)
        return total

    def draws(self, n_draws: int = N_DRAWS) -> FloatArray:
        """Say how often each draw takes each cluster, (n_draws, n_clusters); always the same."""
        n = len(self.names)
        random = np.random.default_rng(n)
        drawn = random.integers(n, size=(n_draws, n))
        counts: FloatArray = np.zeros((n_draws, n))
        np.add.at(counts, (np.arange(n_draws)[:, None], drawn), 1.0)
        return counts

    def facts(self) -> dict[str, Any]:
        """Say what was drawn, as an answer states it."""
        return {"of": self.of, "n": len(self.names)}


def ratio_interval(
    clusters: Clusters, numerators: npt.ArrayLike, denominators: npt.ArrayLike
) -> list[float] | None:
    """Give the interval of a ratio of sums: a mean, a share, a count a minute.

    Parameters
    ----------
    clusters
        The items' clusters.
    numerators, denominators : array-like, shape (n_items,)
        The figure is the sum of the former over that of the latter.

    Returns
    -------
    list of float
        Low and high; None with fewer than two clusters that have anything to say.
    """
    sums = np.stack([clusters.sums(numerators), clusters.sums(denominators)])
    return interval(clusters, lambda counts: _ratio(*(counts @ one for one in sums)))


def area_interval(
    clusters: Clusters, above: Sequence[FloatArray], below: Sequence[FloatArray]
) -> list[float] | None:
    """Give the interval of how often one of ``above`` is larger than one of ``below``.

    Parameters
    ----------
    clusters
        The items' clusters.
    above, below : sequence of ndarray, shape (n,)
        Values of each item; any item may have none.
    """
    n = len(clusters.names)
    wins, pairs = np.zeros((n, n)), np.zeros((n, n))
    for i, high in zip(clusters.places, above, strict=True):
        for j, low in zip(clusters.places, below, strict=True):
            gap = np.subtract.outer(high, low)
            wins[i, j] += (gap > 0).sum() + (gap == 0).sum() / 2
            pairs[i, j] += gap.size
    return interval(
        clusters,
        lambda counts: _ratio(
            np.einsum("di,ij,dj->d", counts, wins, counts),
            np.einsum("di,ij,dj->d", counts, pairs, counts),
        ),
    )


def interval(clusters: Clusters, figure: Callable[[FloatArray], FloatArray]) -> list[float] | None:
    """Give the expanded percentile interval of a figure.

    Parameters
    ----------
    clusters
        What is drawn.
    figure
        Gives the figure of each draw, (n_draws,), from how often it takes each cluster, (n_draws,
        n_clusters); NaN for a draw that says nothing of it.
    """
    n = len(clusters.names)
    if n < 2:
        return None
    values = figure(clusters.draws())
    values = values[np.isfinite(values)]
    if len(values) < N_DRAWS / 2:
        return None
    reach = math.sqrt(n / (n - 1)) * scipy.stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    tail = float(scipy.stats.norm.sf(reach))
    low, high = np.quantile(values, [tail, 1 - tail])
    return [float(low), float(high)]


def paired_difference(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, Any]:
    """Give the mean difference of a figure over those who have both, and its interval.

    Parameters
    ----------
    first, second
        The figure of each cluster, by name.

    Returns
    -------
    dict
        ``difference`` (second less first), ``interval``, ``n``, and ``better`` and ``worse``: of
        how many the second is so.
    """
    names = sorted(first.keys() & second.keys())
    gaps = np.array([second[name] - first[name] for name in names])
    clusters = Clusters.by_name("people", names)
    return {
        "difference": float(gaps.mean()) if len(gaps) else None,
        "interval": ratio_interval(clusters, gaps, np.ones(len(gaps))),
        "n": len(gaps),
        "better": int((gaps > 0).sum()),
        "worse": int((gaps < 0).sum()),
    }


def _ratio(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    nothing = np.full(len(numerators), np.nan)
    found: FloatArray = np.divide(numerators, denominators, out=nothing, where=denominators > 0)
    return found
