"""Careless and hostile programs on the service's own host, and what must hold in spite of them."""
