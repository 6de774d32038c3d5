"""The mathematics of artifact removal, apart from the stages that run it on a stream."""

from decoders.artifacts.amplitudes import clean_samples, fit_amplitudes
from decoders.artifacts.averages import geometric_median, riemannian_mean
from decoders.artifacts.subspace import RepairFinder, Subspace, fit_subspace

__all__ = [
    "RepairFinder",
    "Subspace",
    "clean_samples",
    "fit_amplitudes",
    "fit_subspace",
    "geometric_median",
    "riemannian_mean",
]
