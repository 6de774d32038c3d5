"""A random forest: many trees, each on a resampling of the rows, and their mean.

Each node splits on the feature and threshold, of some features drawn at random, that leave the
least squared error in all dimensions together (Breiman, Machine Learning 45:5-32, 2001).
Thresholds are quantiles of the rows, so that a whole level of a tree grows at once from counts. A
forest is kept as arrays, and a row descends all trees abreast.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.kinematics.regression.regressor import (
    Parameter,
    Regressor,
    RegressorSettings,
)
from volition.errors import ModelError

IntArray = npt.NDArray[np.intp]


class RandomForestSettings(RegressorSettings):
    """Settings of `RandomForest`."""

    kind: Literal["random-forest"] = "random-forest"
    n_trees: int = Field(default=50, ge=1, le=500)
    max_depth: int = Field(default=12, ge=1, le=24)
    least_leaf: int = Field(default=5, ge=1, description="Fewest rows in a leaf.")
    feature_share: float = Field(
        default=0.34, gt=0, le=1, description="Share of the features that a split may choose among."
    )
    n_thresholds: int = Field(
        default=31, ge=1, le=255, description="Quantiles of a feature that it may be split at."
    )
    seed: int = Field(default=0, ge=0)


class RandomForest(Regressor):
    """The mean of trees that are kept side by side in the same arrays.

    Parameters
    ----------
    feature, child : ndarray of int, shape (n_nodes,)
        What a node asks, and the node for an answer of "not above"; the next one is for "above". A
        leaf is its own child.
    threshold : ndarray, shape (n_nodes,)
        Infinite at a leaf, so that nothing is above.
    values : ndarray, shape (n_nodes, n_dimensions)
        Mean state of a node's rows.
    roots : ndarray of int, shape (n_trees,)
        Where each tree begins.
    depth
        Depth of the deepest tree.
    """

    settings_model: ClassVar[type[RegressorSettings]] = RandomForestSettings

    def __init__(
        self,
        *,
        feature: IntArray,
        child: IntArray,
        threshold: FloatArray,
        values: FloatArray,
        roots: IntArray,
        depth: int,
    ) -> None:
        self.feature, self.child, self.threshold = feature, child, threshold
        self.values, self.roots, self.depth = values, roots, depth

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        assert isinstance(settings, RandomForestSettings)
        random = np.random.default_rng(settings.seed)
        levels = np.linspace(0, 1, settings.n_thresholds + 2)[1:-1]
        edges: FloatArray = np.quantile(rows, levels, axis=0).T
        places = np.column_stack(
            [np.searchsorted(edge, column) for edge, column in zip(edges, rows.T, strict=True)]
        )
        trees = []
        for _ in range(settings.n_trees):
            drawn = random.integers(len(rows), size=len(rows))
            trees.append(_Tree(places[drawn], states[drawn], edges, settings, random))
        starts = np.cumsum([0, *(len(tree.feature) for tree in trees[:-1])])
        children = [tree.child + start for tree, start in zip(trees, starts, strict=True)]
        return cls(
            feature=np.concatenate([tree.feature for tree in trees]),
            child=np.concatenate(children),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            values=np.concatenate([tree.values for tree in trees]),
            roots=starts,
            depth=max(tree.depth for tree in trees),
        )

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        values = parameter("values", (None, None))
        n_nodes = len(values)
        feature, child, roots = (
            parameter(name, shape).astype(np.intp)
            for name, shape in (("feature", (n_nodes,)), ("child", (n_nodes,)), ("roots", (None,)))
        )
        leaf = child == np.arange(n_nodes)
        ends = (feature, n_features), (child, n_nodes), (child + ~leaf, n_nodes), (roots, n_nodes)
        for found, end in ends:
            if not ((found >= 0) & (found < end)).all():
                raise ModelError("a random forest's arrays point outside of it")
        # A model's arrays are finite: a leaf is known by being its own child.
        threshold = parameter("threshold", (n_nodes,)).copy()
        threshold[leaf] = np.inf
        return cls(
            feature=feature,
            child=child,
            threshold=threshold,
            values=values,
            roots=roots,
            depth=int(parameter("depth", ())),
        )

    def arrays(self) -> dict[str, Array]:
        return {
            "feature": self.feature,
            "child": self.child,
            "threshold": np.where(np.isfinite(self.threshold), self.threshold, 0.0),
            "values": self.values,
            "roots": self.roots,
            "depth": np.array(self.depth),
        }

    def predict_row(self, row: FloatArray) -> FloatArray:
        nodes = self.roots
        for _ in range(self.depth):
            nodes = self.child[nodes] + (row[self.feature[nodes]] > self.threshold[nodes])
        mean: FloatArray = self.values[nodes].mean(axis=0)
        return mean

    def predict(self, rows: FloatArray) -> FloatArray:
        nodes = np.tile(self.roots, (len(rows), 1))
        each = np.arange(len(rows))[:, None]
        for _ in range(self.depth):
            nodes = self.child[nodes] + (rows[each, self.feature[nodes]] > self.threshold[nodes])
        mean: FloatArray = self.values[nodes].mean(axis=1)
        return mean


class _Tree:
    """A tree, grown level by level.

    Parameters
    ----------
    places : ndarray of int, shape (n_rows, n_features)
        Between which thresholds each value lies.
    states : ndarray, shape (n_rows, n_dimensions)
    edges : ndarray, shape (n_features, n_thresholds)
    """

    def __init__(
        self,
        places: IntArray,
        states: FloatArray,
        edges: FloatArray,
        settings: RandomForestSettings,
        random: np.random.Generator,
    ) -> None:
        self._settings, self._random, self._edges = settings, random, edges
        self.feature: IntArray = np.zeros(1, np.intp)
        self.child: IntArray = np.zeros(1, np.intp)
        self.threshold: FloatArray = np.full(1, np.inf)
        self.values: FloatArray = states.mean(axis=0)[None, :]
        self.depth = 0
        # The nodes of the newest level, and which of them each row is in.
        nodes, member = np.zeros(1, np.intp), np.zeros(len(states), np.intp)
        while self.depth < settings.max_depth:
            split = self._split(len(nodes), member, places, states)
            parted = split >= 0
            if not parted.any():
                break
            nodes, member, places, states = self._part(nodes, split, member, places, states)
            self.depth += 1

    def _split(
        self, n_nodes: int, member: IntArray, places: IntArray, states: FloatArray
    ) -> IntArray:
        """Give each node's best feature and threshold as one number, −1 where it is a leaf."""
        settings, n_features = self._settings, places.shape[1]
        n_edges = self._edges.shape[1]
        n_asked = max(1, round(settings.feature_share * n_features))
        ranks = self._random.random((n_nodes, n_features)).argsort(axis=1).argsort(axis=1)
        count, total = _sums(member, states, n_nodes)
        # Less than this would be no gain but for rounding.
        best = (total * total).sum(axis=1) / count * (1 + 1e-12) + 1e-300
        found = np.full(n_nodes, -1, np.intp)
        for number in range(n_features):
            where = member * (n_edges + 1) + places[:, number]
            below, sums = _sums(where, states, n_nodes * (n_edges + 1))
            left = below.reshape(n_nodes, -1).cumsum(axis=1)[:, :-1]
            left_sum = sums.reshape(n_nodes, n_edges + 1, -1).cumsum(axis=1)[:, :-1]
            right, right_sum = count[:, None] - left, total[:, None, :] - left_sum
            gain = (left_sum**2).sum(axis=2) / np.maximum(left, 1)
            gain += (right_sum**2).sum(axis=2) / np.maximum(right, 1)
            allowed = (left >= settings.least_leaf) & (right >= settings.least_leaf)
            allowed &= (ranks[:, number] < n_asked)[:, None]
            gain = np.where(allowed, gain, -np.inf)
            edge = gain.argmax(axis=1)
            gained = gain[np.arange(n_nodes), edge]
            better = gained > best
            best[better] = gained[better]
            found[better] = number * n_edges + edge[better]
        return found

    def _part(
        self,
        nodes: IntArray,
        split: IntArray,
        member: IntArray,
        places: IntArray,
        states: FloatArray,
    ) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        """Give two children to each node that splits; go on with the rows that are in them."""
        parents = np.flatnonzero(split >= 0)
        feature, edge = np.divmod(split[parents], self._edges.shape[1])
        first = len(self.feature) + 2 * np.arange(len(parents))
        self.feature[nodes[parents]] = feature
        self.child[nodes[parents]] = first
        self.threshold[nodes[parents]] = self._edges[feature, edge]
        number = np.full(len(nodes), -1, np.intp)
        number[parents] = np.arange(len(parents))
        kept = number[member] >= 0
        member, places, states = number[member[kept]], places[kept], states[kept]
        above = places[np.arange(len(member)), feature[member]] > edge[member]
        member = 2 * member + above
        count, total = _sums(member, states, 2 * len(parents))
        new = np.arange(len(self.feature), len(self.feature) + 2 * len(parents))
        self.feature = np.concatenate([self.feature, np.zeros(len(new), np.intp)])
        self.child = np.concatenate([self.child, new])
        self.threshold = np.concatenate([self.threshold, np.full(len(new), np.inf)])
        self.values = np.concatenate([self.values, total / count[:, None]])
        return new, member, places, states


def _sums(where: IntArray, states: FloatArray, n_places: int) -> tuple[FloatArray, FloatArray]:
    """Give the number of rows at each place, and the sum of their states."""
    count = np.bincount(where, minlength=n_places).astype(np.float64)
    sums = [np.bincount(where, column, n_places) for column in states.T]
    return count, np.column_stack(sums)
