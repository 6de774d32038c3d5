"""Speed and decoding quality, measured."""
