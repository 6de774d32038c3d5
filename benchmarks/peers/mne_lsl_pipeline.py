"""MNE-LSL: a filtered stream, read as it grows, and sent on by an LSL outlet.

Run by the interpreter of an environment that holds mne-lsl; it imports nothing of Volition. The
stream acquires in its own thread every millisecond, its default; new samples are looked for and
read as in its examples (``n_new_samples``, ``get_data``).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import mne_lsl
from mne_lsl.lsl import StreamInfo, StreamOutlet
from mne_lsl.stream import StreamLSL

_LOOK_S = 0.0005


def main(arguments: dict[str, Any]) -> None:
    """Run until killed."""
    mne_lsl.set_log_level("ERROR")
    low_hz, high_hz = arguments["band_hz"]
    stream = StreamLSL(bufsize=1.0, source_id=arguments["source_id"])
    stream.connect(acquisition_delay=0.001, processing_flags=["clocksync"], timeout=10)
    stream.filter(
        low_hz,
        high_hz,
        iir_params={"order": arguments["order"], "ftype": "butter", "output": "sos"},
    )
    rate_hz = stream.info["sfreq"]
    outlet = StreamOutlet(
        StreamInfo(
            arguments["out_name"],
            "EEG",
            len(stream.ch_names),
            rate_hz,
            "float32",
            arguments["out_name"],
        )
    )
    while True:
        n_new = stream.n_new_samples
        if not n_new:
            time.sleep(_LOOK_S)
            continue
        data, times = stream.get_data(n_new / rate_hz)
        outlet.push_chunk(data.T.copy(), times)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
