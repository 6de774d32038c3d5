"""Decoders of steady-state visual evoked potentials: one a module."""
