"""Decoders and simulated people: the cursor in a closed loop, forty targets, their spectrum."""
