"""Recordings on disk: XDF, EDF and BDF."""
