"""Real recordings of ssvep_exo with artifacts mixed in: blinks, muscle bursts, electrode pops.

The waveforms of blinks and muscle are real, from the people of
`volition.benchmarks.quality.datasets.denoise_mix` that are for testing alone, whose folder lies
beside that of ssvep_exo. Pops are made: an electrode, or several on one cable, jumps and decays by
about 0.2 s. Blinks reach all channels alike, as they do at the back of the head; muscle is four
sources, on both sides of the neck and behind both ears, and some of each electrode's own. They come
at random moments from the first sample on, by a seed and the recording's name, and know nothing of
the trials. Levels are in microvolts at the channel that an artifact reaches most: a blink's peak, a
burst's root mean square, a pop's jump.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.contamination import ContaminatedDataset, Levels
from volition.benchmarks.quality.contract.denoising import Segments
from volition.benchmarks.quality.contract.trials import TrialRecording
from volition.benchmarks.quality.datasets import denoise_mix, ssvep_exo
from volition.chunk import FloatArray
from volition.decoders.artifacts.electrodes import find_positions
from volition.errors import RecordingError

#: What may be mixed in.
KINDS = ("blink", "emg", "pop")
#: Levels, microvolts. ``usual`` and ``strong`` are taken from what is known of the artifacts, not
#: from what they cost a decoder. Muscle: the middle and the upper end of the range that
#: EEGdenoiseNet mixes (-2.5 and -7 dB of amplitude; Zhang et al. 2021), for the 6.5 µV of EEG that
#: these recordings have (root mean square of the median electrode behind a high-pass of 1 Hz and a
#: notch). Blinks: 9.3 % of the 200 and 400 µV beside the eye, which is what reaches the vertex
#: (Corby and Kopell, Psychophysiology 9:640, 1972), and no less than what reaches the back of the
#: head. For pops, of which no such figure is known, the amplitude from which they are called
#: artifacts, and thrice that. ``severe`` is beyond all of these: when it is worse than that.
LEVELS_UV = {
    "usual": {"blink": 20.0, "emg": 12.0, "pop": 100.0},
    "strong": {"blink": 40.0, "emg": 33.0, "pop": 300.0},
    "severe": {"blink": 200.0, "emg": 150.0, "pop": 1000.0},
}
#: Mean time from one to the next, seconds: 15 blinks a minute, as at rest, and fewer of the others.
EVERY_S = {"blink": 4.0, "emg": 4.0, "pop": 6.0}
#: How long a burst of muscle lasts, and a pop's time constant.
BURST_S = (0.5, 2.0)
POP_DECAY_S = 0.2
#: Where muscle is, on the unit sphere (right, nose, up), and how far it reaches, radians.
_MUSCLES = ((-0.45, -0.85, -0.3), (0.45, -0.85, -0.3), (-0.85, -0.45, -0.25), (0.85, -0.45, -0.25))
_REACH = 0.6
#: What each electrode has of muscle of its own, beside what the sources give it.
OWN_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What an artifact is drawn for."""

    rate_hz: float
    labels: tuple[str, ...]
    segments: Segments
    rng: np.random.Generator


def mix(
    one: TrialRecording, segments: Segments, levels_uv: Levels, seed: int = 0
) -> TrialRecording:
    """Mix artifacts into a recording.

    Parameters
    ----------
    one
        The recording, with electrodes that `volition.decoders.artifacts.electrodes` knows.
    segments
        Waveforms, of people for testing alone.
    levels_uv
        The level of each of `KINDS` that is to be mixed in, microvolts.
    seed
        Seed of moments and waveforms. An artifact's do not change with its level,
        nor with what else is mixed in.

    Raises
    ------
    RecordingError
        An electrode's place is not known, or the rate is not that of the waveforms.
    """
    spec = one.recording.spec
    if spec.rate_hz != segments.rate_hz or np.isnan(find_positions(spec.labels)).any():
        raise RecordingError(
            f"artifacts can be mixed into recordings of {segments.rate_hz:g} Hz of electrodes "
            f"whose places are known; {one.name} has {spec.rate_hz:g} Hz and "
            f"{', '.join(spec.labels)}",
            recording=one.name,
        )
    samples = one.recording.samples.copy()
    for kind, level_uv in levels_uv.items():
        rng = np.random.default_rng([seed, zlib.crc32(one.name.encode()), KINDS.index(kind)])
        scene = _Scene(spec.rate_hz, spec.labels, segments, rng)
        for start in _moments(len(samples) / spec.rate_hz, EVERY_S[kind], rng):
            artifact = level_uv * _DRAW[kind](scene)
            first = round(start * spec.rate_hz)
            part = artifact[: len(samples) - first]
            samples[first : first + len(part)] += part
    return replace(one, recording=replace(one.recording, samples=samples))


def _moments(duration_s: float, every_s: float, rng: np.random.Generator) -> Iterator[float]:
    """Give when artifacts begin: half of the mean interval is sure, the rest exponential."""
    at = 0.0
    while (at := at + every_s / 2 + rng.exponential(every_s / 2)) < duration_s:
        yield at


def _blink(scene: _Scene) -> FloatArray:
    """Draw a blink (n_samples, n_channels) of peak 1."""
    wave = scene.segments.eog[scene.rng.integers(len(scene.segments.eog))]
    wave = wave * _fades(len(wave), round(0.1 * scene.rate_hz))
    shares = scene.rng.uniform(0.8, 1.0, len(scene.labels))
    return np.outer(wave / np.abs(wave).max(), shares / shares.max())


def _burst(scene: _Scene) -> FloatArray:
    """Draw a burst of muscle (n_samples, n_channels) of RMS 1 at the channel it reaches most."""
    rng, n_channels = scene.rng, len(scene.labels)
    n = round(rng.uniform(*BURST_S) * scene.rate_hz)
    directions = np.array(_MUSCLES) / np.linalg.norm(_MUSCLES, axis=1, keepdims=True)
    angles = np.arccos(np.clip(find_positions(scene.labels) @ directions.T, -1, 1))
    shares = np.exp(-angles / _REACH) * rng.uniform(0.2, 1.0, len(_MUSCLES))
    first = rng.integers(scene.segments.emg.shape[1] - n + 1)
    fades = _fades(n, round(0.05 * scene.rate_hz))

    def waves(count: int) -> FloatArray:
        drawn = scene.segments.emg[rng.integers(len(scene.segments.emg), size=count)]
        signs = rng.choice([-1.0, 1.0], (count, 1))
        faded: FloatArray = signs * fades * drawn[:, first : first + n]
        return faded

    own = np.linalg.norm(shares, axis=1) * OWN_SHARE
    artifact: FloatArray = (shares @ waves(len(_MUSCLES)) + own[:, None] * waves(n_channels)).T
    artifact /= np.sqrt(np.square(artifact).mean(axis=0)).max()
    return artifact


def _pop(scene: _Scene) -> FloatArray:
    """Draw a pop (n_samples, n_channels) of height 1: one electrode, or a cable with several."""
    rng, n_channels = scene.rng, len(scene.labels)
    n_hit = 1 if rng.random() < 0.5 else int(rng.integers(2, max(3, n_channels // 2 + 1)))
    hit = rng.choice(n_channels, n_hit, replace=False)
    heights = rng.choice([-1.0, 1.0], n_hit) * rng.uniform(0.3, 1.0, n_hit)
    decays_s = POP_DECAY_S * rng.uniform(0.5, 1.5, n_hit)
    times_s = np.arange(round(5 * POP_DECAY_S * scene.rate_hz)) / scene.rate_hz
    artifact = np.zeros((len(times_s), n_channels))
    artifact[:, hit] = heights / np.abs(heights).max() * np.exp(-times_s[:, None] / decays_s)
    return artifact


_DRAW: dict[str, Callable[[_Scene], FloatArray]] = {"blink": _blink, "emg": _burst, "pop": _pop}


def _fades(n_samples: int, n_edge: int) -> FloatArray:
    """Give a column that rises and falls within ``n_edge`` samples, 1 between."""
    rise = (1 - np.cos(np.pi * (np.arange(n_edge) + 0.5) / n_edge)) / 2
    fades = np.ones(n_samples)
    fades[:n_edge] *= rise
    fades[n_samples - n_edge :] *= rise[::-1]
    return fades


def load_segments(root: Path) -> Segments:
    """Read the waveforms of people for testing alone, from ``denoise_mix`` beside the folder."""
    return denoise_mix.load_segments(root.parent / "denoise_mix").part(test=True)


DATASET = ContaminatedDataset(
    name="ssvep_exo_mixed",
    summary="the recordings of ssvep_exo, with blinks, muscle and electrode pops mixed in",
    trials=ssvep_exo.DATASET,
    load_segments=load_segments,
    mix=mix,
    levels_uv=LEVELS_UV,
    conditions={
        "all, usual": LEVELS_UV["usual"],
        **{kind: {kind: LEVELS_UV["strong"][kind]} for kind in KINDS},
        "all": LEVELS_UV["strong"],
        "all, severe": LEVELS_UV["severe"],
    },
)
