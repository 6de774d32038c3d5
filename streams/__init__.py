"""Everything that touches a sample before or after it is decoded.

- ``lsl``: streams of the network, found, read and published
- ``files``: recordings: XDF read and written, EDF read
- ``signal``: continuity, quality, selection of channels, the outline that screens draw
- ``simulated``: headsets and people to try things with

Nothing is imported here: whoever reads a file loads no LSL.
"""
