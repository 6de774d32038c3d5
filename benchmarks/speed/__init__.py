"""How fast, how many, at what cost."""
