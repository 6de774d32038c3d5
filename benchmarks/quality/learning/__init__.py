"""What is fitted to the people of a data set, and never to the one who is scored by it."""
