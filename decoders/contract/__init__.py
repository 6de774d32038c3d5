"""What every stage and decoder promises, and the words in which they speak."""
