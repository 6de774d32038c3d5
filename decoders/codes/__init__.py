"""Decoders of what is coded in time: items that flash in patterns of their own."""
