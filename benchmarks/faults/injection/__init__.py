"""Faults, each made for real and judged from outside; `volition.benchmarks.faults.table` runs them.

`feeder` is a headset that does what it is told, in a process of its own. `witness` is a client that
writes down what it is sent and acts as clients should. `scene` holds what one fault needs. The
other modules hold the faults, by what they strike: stream, signal, worker, recording, client,
service. The first line of a fault's docstring is what the table calls it.
"""
