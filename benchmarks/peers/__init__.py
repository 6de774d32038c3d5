"""Volition beside what a user would pick instead: the same feed, the same filter, a subscriber."""
