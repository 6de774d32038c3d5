"""Programs that made the networks, models and recordings that ship; each is run by itself."""
