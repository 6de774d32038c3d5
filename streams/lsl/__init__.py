"""LSL: which streams there are, what comes in from them, what goes out, and the clock."""
