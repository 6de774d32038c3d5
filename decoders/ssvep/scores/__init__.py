"""How strongly a window flickers at a frequency."""
