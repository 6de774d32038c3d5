"""Headsets and people that are not there: to try everything with nobody."""
