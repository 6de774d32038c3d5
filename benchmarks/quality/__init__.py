"""How well decoders decode and stages clean, and what was trained and packaged by that."""
