"""The process that fits: so that neither the gateway nor a session's loop ever waits for a fit.

    gateway ──job: JSON, then the signal as bytes──> fitter ──lines: progress, result──> gateway

It runs at the lowest priority, one job after the other, until its standard input is closed. What
it makes it writes into the registry itself, whole or not at all: a fitter that is killed leaves
nothing behind. `Fitters` is the gateway's end; it keeps one that is done for the next job, since to
load it takes a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import struct
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
import pydantic_core
from pydantic import BaseModel, ConfigDict

from volition.children import python_module
from volition.chunk import Event, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.calibration import (
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
)
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.network import (
    STARTED_FROM,
    NetworkManifest,
    read_manifest,
    read_network,
)
from volition.errors import VolitionError
from volition.models.manifest import Manifest, ModelCard, ModelInput, TrainingData, unfitted
from volition.models.registry import ModelRegistry
from volition.models.training import FITTING, FURTHER, FurtherTraining
from volition.service.sessions.config import SessionConfig, parse_config, read_for
from volition.service.sessions.named_models import is_reference
from volition.streams.files.recording import Recording

_LENGTHS = struct.Struct("<IQ")
#: More fits than this do not run at once.
_MOST_AT_ONCE = 2
#: What training a network needs; the extra train has it.
_TRAINING = ("torch", "onnx", "onnxscript")


class FitJob(BaseModel):
    """What is to be fitted, and to what; the signal itself follows as bytes, or is a recording."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    """The session's configuration, with the decoder that is to be calibrated."""
    name: str
    folder: str
    spec: dict[str, Any] | None = None
    events: list[tuple[float, str, dict[str, Any]]] = []
    cursor: list[tuple[float, list[float]]] = []
    recording: str | None = None
    source: str = ""
    options: dict[str, Any] = {}
    licence: str = ""
    note: str = ""
    network: str | None = None
    """The network that a decoder that is trained further starts from."""
    refresh: bool = False
    """Whether it is for use while the calibration goes on: fitted to what there is, unscored."""


# -- the process ------------------------------------------------------------------------------


def main() -> None:
    """Be a fitter until standard input is closed."""
    with contextlib.suppress(psutil.Error):
        # Windows has classes in the place of numbers.
        psutil.Process().nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 15))
    registry.decoders_by_kind()
    given, told = sys.stdin.buffer, sys.stdout
    while True:
        head = given.read(_LENGTHS.size)
        if len(head) < _LENGTHS.size:
            return
        n_job, n_signal = _LENGTHS.unpack(head)
        job, signal = given.read(n_job), given.read(n_signal)
        if len(signal) < n_signal:
            return
        _tell(told, _run(job, signal, told))


def _run(job: bytes, signal: bytes, told: IO[str]) -> dict[str, Any]:
    def progress(share: float, step: str) -> None:
        _tell(told, {"progress": share, "step": step})

    try:
        return {"made": fit(FitJob.model_validate_json(job), signal, progress)}
    except VolitionError as error:
        return {"refused": {"code": error.code, "message": error.message, "fields": error.fields}}
    except Exception as error:  # noqa: BLE001 - the process's outermost loop: report, go on
        traceback.print_exc()
        return {"refused": {"code": "bug", "message": f"the fit failed: {error}", "fields": {}}}


def _tell(told: IO[str], message: Mapping[str, Any]) -> None:
    told.write(pydantic_core.to_json(message, inf_nan_mode="null", fallback=str).decode() + "\n")
    told.flush()


def fit(job: FitJob, signal: bytes, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Calibrate and keep the model; give its manifest as plain data.

    Raises
    ------
    CalibrationError
        The signal cannot be used.
    ModelError
        The registry cannot keep it.
    """
    config = parse_config(job.config, "the calibration")
    progress(0.02, "reading the signal")
    calibration = _calibration(job, config, signal)
    return fit_to(job, config, calibration, progress).model_dump(mode="json")


def fit_to(
    job: FitJob, config: SessionConfig, calibration: CalibrationData, progress: Progress
) -> Manifest:
    """Fit to a signal that is at hand, and keep the model; raises as `fit` does."""
    found, content, network = _fitted(job, config.decoder, calibration, progress)
    progress(0.95, "keeping the model")
    card = ModelCard(
        kind=config.decoder.kind,
        input=ModelInput.of(calibration.spec),
        decoder={**found.settings, "model" if network is None else "network": None},
        stages=[stage.model_dump(mode="json") for stage in config.stages],
        training=TrainingData(
            source=job.source,
            sha256=calibration.sha256(),
            n_trials=found.n_trials,
            duration_s=calibration.duration_s,
        ),
        scores=dict(found.scores),
        network=None if network is None else network.model_dump(mode="json"),
        licence=job.licence,
        note=job.note,
    )
    return ModelRegistry(Path(job.folder)).add(job.name, content, card, origin="calibration")


def _fitted(
    job: FitJob, settings: Settings, calibration: CalibrationData, progress: Progress
) -> tuple[Calibrated, bytes, NetworkManifest | None]:
    """Fit; give what came of it, its file's content and, where that is a network, its manifest."""
    trainer = trainer_of(settings.kind)
    if trainer is not None:
        start, started_from = _start(job, settings.kind)
        found, network, content = trainer(
            settings,
            calibration,
            progress,
            start=start,
            name=job.name,
            source=job.source,
            licence=job.licence,
            started_from=started_from,
        )
        return found, content, network
    cls = fitted_class(settings.kind)
    if settings.kind in FITTING:
        check_trainable(settings.kind)
        found = FITTING[settings.kind]()(settings, calibration, progress)
        return found, found.model.to_bytes(), None
    if job.refresh:
        model = cls.refresh(settings, calibration)
        found = Calibrated(model, settings.model_dump(mode="json"), {}, 0)
    else:
        found = cls.calibrate(settings, calibration, progress)
    return found, found.model.to_bytes(), None


def fitted_class(kind: str) -> type[FittedDecoder[Any]]:
    """Give the decoder of a kind; raise `CalibrationError` where it is not fitted to trials."""
    known = registry.decoders_by_kind()
    cls = known[kind]
    if issubclass(cls, FittedDecoder):
        return cls
    allowed = [
        name for name, one in known.items() if issubclass(one, FittedDecoder) or one.trained_further
    ]
    raise CalibrationError(
        "cannot-be-calibrated",
        f"a decoder of kind {kind} is not fitted; allowed: {', '.join(allowed)}",
    )


def trainer_of(kind: str) -> FurtherTraining | None:
    """Give what trains networks of a kind further; None for a kind that is not trained so.

    Raises
    ------
    CalibrationError
        What it needs is not installed.
    """
    if not registry.decoders_by_kind()[kind].trained_further:
        return None
    check_trainable(kind)
    if kind not in FURTHER:
        raise CalibrationError("cannot-be-calibrated", f"no recipe trains networks for {kind}")
    return FURTHER[kind]()


def check_trainable(kind: str) -> None:
    """Raise `CalibrationError` for a kind that is trained by what is not installed."""
    with_torch = kind in FITTING or registry.decoders_by_kind()[kind].trained_further
    needed = _TRAINING if with_torch else ()
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    if lacking:
        raise CalibrationError(
            "cannot-be-calibrated",
            f"a calibration of {kind} trains a network by {', '.join(_TRAINING)}, and the service "
            f"lacks {', '.join(lacking)}: install the extra train (pip install 'volition[train]')",
            extra="train",
            missing=lacking,
        )


def _start(job: FitJob, kind: str) -> tuple[tuple[NetworkManifest, bytes], str | None]:
    """Give the network of many people to start from, and how the registry names it, if it does.

    One that a calibration made names the one that it was started from itself: to go on from what
    has seen the very trials that are left out would say nothing of how well it decodes.
    """
    if job.network is None:
        raise CalibrationError(
            "cannot-be-calibrated",
            f"a calibration of {kind} starts from a network of many people: name one in "
            "decoder.network",
        )
    models = ModelRegistry(Path(job.folder))

    def read(name: str) -> tuple[NetworkManifest, bytes]:
        if not is_reference(name):
            return read_network(name, kind)
        known = models.find(name)
        described = read_manifest(json.dumps(known.network), known.reference)
        return described, models.content(known)

    found = read(job.network)
    if STARTED_FROM not in found[0].facts:
        return found, job.network if is_reference(job.network) else None
    first = found[0].facts[STARTED_FROM]
    if not isinstance(first, str) or not is_reference(first):
        raise CalibrationError(
            "cannot-be-calibrated",
            f"{job.network} is a person's own network, and what it was started from is not in the "
            "registry: name a network of many people in decoder.network",
        )
    return read(first), first


def _calibration(job: FitJob, config: SessionConfig, signal: bytes) -> CalibrationData:
    if job.recording is not None:
        return cleaned(config, Path(job.recording), job.options)
    assert job.spec is not None
    spec = SignalSpec(
        job.spec["rate_hz"],
        tuple(job.spec["labels"]),
        tuple(job.spec["units"]),
        tuple(job.spec["kinds"]),
    )
    values = np.frombuffer(signal, np.float64).reshape(-1, 1 + spec.n_channels)
    moves = job.cursor
    return CalibrationData(
        spec,
        np.ascontiguousarray(values[:, 1:]),
        np.ascontiguousarray(values[:, 0]),
        trials_named(config, [Event(time, name, data) for time, name, data in job.events]),
        np.array([time for time, _ in moves]),
        np.array([place for _, place in moves], ndmin=2),
        job.options,
    )


def cleaned(
    config: SessionConfig, path: Path, options: Mapping[str, Any] | None = None
) -> CalibrationData:
    """Give a recording as a session's decoder would have seen it."""
    return cleaned_recording(config, read_for(path, config.stream, config.markers), options)


def cleaned_recording(
    config: SessionConfig, recording: Recording, options: Mapping[str, Any] | None = None
) -> CalibrationData:
    """Give a recording that was read as a session's decoder would have seen it."""
    cleaner = config.build_cleaner(recording.spec)
    events = trials_named(config, recording.events)
    clean = cleaner.whole(recording.samples, recording.times, events)
    fault = cleaner.fault()
    return CalibrationData(
        cleaner.spec,
        clean.samples,
        clean.times,
        events,
        options=options or {},
        names=(str(recording.metadata.get("file", "unnamed")),),
        faulty={0: fault} if fault else {},
    )


def trials_named(config: SessionConfig, events: Sequence[Event]) -> list[Event]:
    """Give events, those that begin a trial by the session's mapping naming what it asks for."""
    return [*events] if config.trials is None else config.trials.named(events)


# -- the gateway's end ------------------------------------------------------------------------


class Fitters:
    """Runs fits in processes of their own."""

    def __init__(self) -> None:
        self._idle: asyncio.subprocess.Process | None = None
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(
        self, job: FitJob, signal: bytes, progress: Callable[[float, str], None]
    ) -> dict[str, Any]:
        """Run a job; give ``{"made": manifest}`` or ``{"refused": {code, message, fields}}``.

        When it is cancelled the process is ended, and nothing is kept.
        """
        async with self._slots:
            process, self._idle = self._idle, None
            if process is None or process.returncode is not None:
                process = await _spawn()
            try:
                result = await _converse(process, job, signal, progress)
            except BaseException:
                await _end(process)
                raise
            if process.returncode is None and self._idle is None:
                self._idle = process
            else:
                await _end(process)
            return result

    async def close(self) -> None:
        """End the process that waits."""
        if self._idle is not None:
            await _end(self._idle)


async def _spawn() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *python_module("volition.service.calibration.fitter"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=8 << 20,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        # Ctrl-C reaches the whole group; the gateway decides when a fitter ends.
        start_new_session=sys.platform != "win32",
    )


async def _converse(
    process: asyncio.subprocess.Process,
    job: FitJob,
    signal: bytes,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    text = job.model_dump_json().encode()
    with contextlib.suppress(ConnectionError):  # what follows says it
        process.stdin.write(_LENGTHS.pack(len(text), len(signal)) + text)
        process.stdin.write(signal)
        await process.stdin.drain()
    while line := await process.stdout.readline():
        said: dict[str, Any] = json.loads(line)
        if "progress" not in said:
            return said
        progress(said["progress"], said["step"])
    return {"refused": {"code": "bug", "message": "the fitting process died", "fields": {}}}


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())


def spec_fields(spec: SignalSpec) -> dict[str, Any]:
    """Give a spec as `FitJob` holds it."""
    return asdict(spec)


def settings_fields(config: SessionConfig, decoder: Settings) -> dict[str, Any]:
    """Give a configuration with another decoder, unfitted, as plain data."""
    plain = config.model_dump(mode="json")
    plain["decoder"] = unfitted(decoder)
    return plain


if __name__ == "__main__":
    main()
