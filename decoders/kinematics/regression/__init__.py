"""Regressions from a bin's prepared features to the state: the ``f`` of a discriminative filter."""
