"""Event-related potentials: what a flash that held the attended item leaves in the signal."""
