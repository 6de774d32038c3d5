"""REST, by what is asked for."""
