"""Recordings of people who open and close their eyes when they are told to.

The folder holds XDF files with markers ``trial_start`` whose data name the ``class``. In each
recording a decoder learns from the first half of the trials; the rest are scored, by the path that
live samples take.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from volition.benchmarks.quality.contract.dataset import SelfScored
from volition.chunk import Event
from volition.decoders.contract.intent import ClassIntent, Intent
from volition.decoders.fitting.calibration import CalibrationData
from volition.errors import ConfigError, RecordingError
from volition.service.calibration.fitter import cleaned
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import run_offline
from volition.streams.files.recording import read_recording
from volition_rhythm.alpha import AlphaDecoder, AlphaSettings


class Eyes(SelfScored):
    """How often a window's class is the one that was asked for."""

    def evaluate(self, root: Path, config: SessionConfig, **options: Any) -> dict[str, Any]:
        """Score the decisions that fall into the second half of each recording's trials."""
        paths = sorted(root.glob("*.xdf"))
        if not paths:
            raise RecordingError(f"{root} holds no XDF file")
        per_recording = {path.stem: score(path, config) for path in paths}
        right = sum(one["right"] for one in per_recording.values())
        decisions = sum(one["decisions"] for one in per_recording.values())
        return {
            "dataset": self.name,
            "accuracy": right / decisions if decisions else None,
            "decisions": decisions,
            "per_recording": per_recording,
        }


def score(path: Path, config: SessionConfig) -> dict[str, int]:
    """Learn from the first half of a recording's trials; count the decisions in the others."""
    settings: Any = config.decoder  # the installed plugins' settings are known at run time alone
    if not isinstance(settings, AlphaSettings):
        raise ConfigError(f"eyes scores a decoder of kind alpha; found {config.decoder.kind}")
    seen = cleaned(config, path)
    trials = [event for event in seen.events if "class" in event.data]
    learned, asked = trials[: len(trials) // 2], trials[len(trials) // 2 :]
    with tempfile.TemporaryDirectory() as folder:
        model = _learned(settings, seen, learned, asked[0].time).save(Path(folder) / "alpha.npz")
        decoder = settings.model_copy(update={"model": str(model)})
        fitted = config.model_copy(update={"decoder": decoder})
        recording = read_recording(path, channels=config.stream.channels)
        intents = list(run_offline(fitted, recording.spec, recording.chunks(64)))
    wanted = list(_decisions(intents, asked, settings.window_s))
    right = sum(intent.label == label for intent, label in wanted)
    return {"decisions": len(wanted), "right": right}


def _learned(
    settings: AlphaSettings, seen: CalibrationData, trials: Sequence[Event], until: float
) -> Any:
    """Fit to the trials before a time."""
    known = seen.times < until
    first = dataclasses.replace(
        seen, samples=seen.samples[known], times=seen.times[known], events=trials
    )
    return AlphaDecoder.calibrate(settings, first, lambda *_: None).model


def _decisions(
    intents: Sequence[Intent], trials: Sequence[Event], window_s: float
) -> Iterator[tuple[ClassIntent, str]]:
    """Give each decision whose whole window lies in one trial, with that trial's class."""
    ends = [event.time for event in trials[1:]] + [float("inf")]
    for event, end in zip(trials, ends, strict=True):
        for intent in intents:
            inside = event.time + window_s <= intent.t_sample < end
            if inside and isinstance(intent, ClassIntent):
                yield intent, str(event.data["class"])


DATASET = Eyes(name="eyes", summary="eyes opened and closed on command; XDF files of your own")
