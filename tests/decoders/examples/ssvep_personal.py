"""Fits the decoder on flickers that are locked to their onset."""

from tests.decoders.flickers import make_ready

__all__ = ["make_ready"]
