"""Train a decoder on recordings, to a model in the registry, without a service or a session.

It is the calibration that a session would make of the same signal: behind the same stages, with the
same checks, scored on trials that were left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from volition.chunk import Event
from volition.decoders.fitting.calibration import CalibrationData
from volition.errors import ConfigError
from volition.models.manifest import Manifest
from volition.service.calibration.fitter import (
    FitJob,
    cleaned_recording,
    fit_to,
    settings_fields,
)
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.folders import models_folder
from volition.streams.files.recording import Recording

#: Between two recordings that are joined, so that no window reaches over, in seconds.
_APART_S = 60.0


def train(
    config: SessionConfig,
    recordings: Sequence[Recording],
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    licence: str = "",
    note: str = "",
    progress: Callable[[float, str], None] = lambda *_: None,
) -> Manifest:
    """Fit a session's decoder to recordings, and keep it as the newest version of a model.

    Parameters
    ----------
    config
        The session: its stages, and the decoder that is fitted.
    recordings
        Their events name the trials' targets, as `volition.streams.files.trial_mapping` gives
        them.
    name
        Of the model in the registry.
    options
        What the family of decoders wants to know besides.
    licence, note
        For the model's card.
    progress
        Told how far it is, 0 to 1, and at what.

    Returns
    -------
    Manifest
        With ``scores``, from trials that were left out, and ``reference``, which names the version
        in a session.

    Raises
    ------
    CalibrationError
        The recordings cannot be used; ``fields["reason"]`` says why.
    """
    if not recordings:
        raise ConfigError("there is no recording to train on")
    progress(0.02, "cleaning the signal")
    parts = [cleaned_recording(config, one, options) for one in recordings]
    files = ", ".join(str(one.metadata.get("file", "unnamed")) for one in recordings)
    job = FitJob(
        config=settings_fields(config, config.decoder),
        name=name,
        folder=str(models_folder()),
        source=f"recordings {files}"[:4000],
        options=dict(options or {}),
        licence=licence,
        note=note,
        network=getattr(config.decoder, "network", None),
    )
    return fit_to(job, config, joined(parts, options), progress)


def joined(parts: Sequence[CalibrationData], options: Mapping[str, Any] | None) -> CalibrationData:
    """Put signals behind each other in time, well apart."""
    if len({part.spec for part in parts}) > 1:
        raise ConfigError("the recordings differ in their channels or their rate: train on each")
    times, events, start = [], [], 0.0
    for part in parts:
        shift = start - (float(part.times[0]) if len(part.times) else 0.0)
        times.append(part.times + shift)
        events += [Event(one.time + shift, one.name, one.data) for one in part.events]
        start = float(times[-1][-1]) + _APART_S if len(part.times) else start
    return CalibrationData(
        parts[0].spec,
        np.concatenate([part.samples for part in parts]),
        np.concatenate(times),
        events,
        options=options or {},
    )
