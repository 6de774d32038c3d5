"""Everything that touches a sample before or after it is decoded.

What others use, by module:

- ``chunk``: ``SignalSpec``, ``Chunk``, ``Event``; ``errors``: every error of Volition
- ``discovery``: ``find_streams``, ``find_one``, ``StreamDescription``
- ``inlet``: ``SignalInlet``, ``MarkerInlet``; ``outlet``: ``SignalOutlet``, ``MarkerOutlet``
- ``recording``: ``Recording``, ``read_recording``, ``packaged_recordings``; ``xdf``: ``XdfWriter``
- ``headset``: ``HeadsetProcess``, ``HeadsetOptions``, ``SyntheticSignal``
- ``clock``: ``local_clock``; ``lsl``: ``configure``, ``loopback_config``

Nothing is imported here: decoders use ``chunk`` and ``errors`` alone, and must not load the rest.
"""
