"""How well decoders decode and stages clean, and what was trained and packaged by that.

- `contract`: what a data set says of itself, and which are installed.
- `datasets`: loaders of public data sets, one a module.
- `learning`: what is fitted to the people of a data set, and never to the one who is scored.
- `evaluation`: how a session is scored, by the protocol that the data set declares.
- `making`: the programs that made the networks, models and recordings that ship.
- `simulated`: simulated people: the cursor in a closed loop, forty targets, their spectrum.

Each imports of the others what stands above it.
"""
