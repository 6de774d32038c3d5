"""Sessions, their workers, and the ways to reach them."""
