"""What is likely to be spelled next: a prior over the items, from the words of a language."""
