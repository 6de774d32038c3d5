"""Decoders of SSVEP from the literature: one a module."""
