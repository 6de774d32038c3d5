"""What is asked of a signal itself: its gaps, its quality, its channels, its outline."""
