"""Loaders of public data sets: one a module. The data themselves are not part of the project."""
