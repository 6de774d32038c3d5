"""The commands that measure, for the command line."""
