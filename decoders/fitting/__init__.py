"""What a decoder learns from, and what it has learned."""
