"""The amplitude spectrum of the simulated participant beside that of real people.

The square root of Welch's density, windows of 4 s; median over channels, then over recordings. The
simulated people wear the real ones' electrodes and look at the same flickers, at rest in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import welch

from volition.benchmarks.quality.datasets import ssvep_exo
from volition.chunk import FloatArray
from volition.streams.files.recording import Recording
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

N_SIMULATED = 8
HIGHEST_HZ = 60.0
_SEGMENT_S = 4.0
_TRIALS = (None, None, 0, 1, 2, 0, 1, 2, 0, 1, 2, None)


def spectra(root: Path) -> dict[str, Any]:
    """Give ``freqs_hz`` and, in uV per root of Hz, ``real`` and ``simulated`` at each.

    Parameters
    ----------
    root
        Folder of `ssvep_exo`.
    """
    real = list(ssvep_exo.load(root))
    spec = real[0].recording.spec
    targets = (Flicker(13.0), Flicker(17.0), Flicker(21.0))
    simulated = [
        SsvepParticipant(seed=seed, rate_hz=spec.rate_hz, labels=spec.labels, targets=targets)
        for seed in range(N_SIMULATED)
    ]
    freqs_hz, _ = _amplitudes(real[0].recording)
    shown = (freqs_hz >= 0.5) & (freqs_hz <= HIGHEST_HZ)
    ours = [_amplitudes(one.record(_TRIALS))[1] for one in simulated]
    theirs = [_amplitudes(one.recording)[1] for one in real]
    return {
        "freqs_hz": freqs_hz[shown].tolist(),
        "real": np.median(theirs, axis=0)[shown].tolist(),
        "simulated": np.median(ours, axis=0)[shown].tolist(),
        "n_real": len(theirs),
        "n_simulated": len(ours),
    }


def _amplitudes(recording: Recording) -> tuple[FloatArray, FloatArray]:
    rate_hz = recording.spec.rate_hz
    freqs_hz, density = welch(
        recording.samples, rate_hz, nperseg=round(_SEGMENT_S * rate_hz), axis=0
    )
    return freqs_hz, np.median(np.sqrt(density), axis=1)
