"""Signal to signal: one stage a module."""
