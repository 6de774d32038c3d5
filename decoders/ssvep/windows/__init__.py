"""Which stretch of the signal is scored, and when a decision is due."""
