"""Decoders of SSVEP that other people have trained."""
