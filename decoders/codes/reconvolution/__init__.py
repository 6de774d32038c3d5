"""Reconvolution: a code's response is the sum of the responses to its events."""
