"""Volition measured, by trades that stand beside each other.

- `speed`: how soon, how many, at what cost.
- `quality`: how well decoders decode and stages clean, and what was trained and packaged by that.
- `faults`: what goes wrong, made for real and judged from outside.
- `peers`: Volition beside what a user would pick instead, by the feeders and listeners of `speed`.

`commands` brings them to the command line (``volition bench``, ``volition evaluate``); `report` and
`drawings` make documents of their figures, `environment` says what they were measured on.
"""
