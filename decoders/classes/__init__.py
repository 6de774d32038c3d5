"""Decoders of classes: what a person imagines or tenses, out of a few things."""
