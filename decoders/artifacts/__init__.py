"""The mathematics of artifact removal, apart from the stages that run it on a stream."""

from volition.decoders.artifacts.amplitudes import clean_samples, fit_amplitudes
from volition.decoders.artifacts.averages import geometric_median, riemannian_mean
from volition.decoders.artifacts.subspace import RepairFinder, Subspace, fit_subspace

__all__ = [
    "RepairFinder",
    "Subspace",
    "clean_samples",
    "fit_amplitudes",
    "fit_subspace",
    "geometric_median",
    "riemannian_mean",
]
