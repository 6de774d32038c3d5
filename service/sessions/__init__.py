"""What a session is made of, wherever it runs."""
