"""Sessions as the service keeps them: their workers, their clients, their past."""
