"""The mathematics of artifact removal, apart from the stages that run it on a stream."""

from decoders.artifacts.amplitudes import clean_samples, fit_amplitudes
from decoders.artifacts.averages import geometric_median, riemannian_mean
from decoders.artifacts.subspace import Subspace, find_repair, fit_subspace

__all__ = [
    "Subspace",
    "clean_samples",
    "find_repair",
    "fit_amplitudes",
    "fit_subspace",
    "geometric_median",
    "riemannian_mean",
]
