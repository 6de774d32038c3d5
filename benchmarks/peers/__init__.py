"""Volition beside what a user would pick instead: the same stream and filter, a subscriber."""
