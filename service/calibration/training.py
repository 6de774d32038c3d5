"""Train a decoder on recordings, to a model in the registry, without a service or a session.

It is the calibration that a session would make of the same signal: behind the same stages, with the
same checks, scored on trials that were left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from volition.decoders.fitting.calibration import joined
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
        Name of the model in the registry.
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
