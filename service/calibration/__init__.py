"""Calibrations of running sessions."""
