"""A headset that loses and repeats samples, as a program: plays 12 Hz and a counter in real time.

``gappy_headset.py SOURCE_ID FIRST:STOP[:x2] ...`` leaves out the samples FIRST to STOP of every
`PERIOD`, or sends them twice. ``labels=A,B,...`` names the channels; the one called ``ramp``
holds the number of each sample. ``rate_hz=200`` is another rate than 250 Hz. It ends when its
standard input is closed.
"""

from __future__ import annotations

import select
import sys

import numpy as np

from volition.chunk import SignalSpec
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import MarkerOutlet, SignalOutlet

PERIOD = 500
CHUNK = 10


def samples_of(numbers: np.ndarray, labels: list[str], rate_hz: float) -> np.ndarray:
    noise = np.random.default_rng(int(numbers[0])).standard_normal((len(numbers), len(labels)))
    samples = 5 * np.sin(2 * np.pi * 12 * numbers / rate_hz)[:, np.newaxis] + 3 * noise
    samples[:, labels.index("ramp")] = numbers
    return samples


def main() -> None:
    source_id, *arguments = sys.argv[1:]
    spans = [argument for argument in arguments if ":" in argument]
    given = dict(argument.split("=") for argument in arguments if "=" in argument)
    labels = given.get("labels", "Oz,O1,O2,ramp").split(",")
    rate_hz = float(given.get("rate_hz", 250))
    lost, twice = np.zeros(PERIOD, dtype=bool), np.zeros(PERIOD, dtype=bool)
    for span in spans:
        first, stop, *rest = span.split(":")
        (twice if rest else lost)[int(first) : int(stop)] = True
    spec = SignalSpec(rate_hz, tuple(labels))
    with (
        SignalOutlet(spec, name="gappy", source_id=source_id) as outlet,
        MarkerOutlet("gappy-markers", f"{source_id}-markers") as markers,
    ):
        start, number = local_clock(), 0
        while True:
            due = start + (number + CHUNK) / rate_hz
            if select.select([sys.stdin], [], [], max(0.0, due - local_clock()))[0]:
                return
            numbers = np.arange(number, number + CHUNK)
            kept = ~lost[numbers % PERIOD]
            again = kept & twice[numbers % PERIOD]
            samples, times = samples_of(numbers, labels, rate_hz), start + numbers / rate_hz
            outlet.push(samples[kept], times[kept])
            outlet.push(samples[again], times[again])
            if number % (PERIOD // 2) == 150:
                markers.push("trial_start", start + number / rate_hz)
            number += CHUNK


if __name__ == "__main__":
    main()
