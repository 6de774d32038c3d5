"""How well a session's stages clean, and how well they leave clean data alone.

Three questions, each through the stages of the session as they run live:

- **segments**: single-channel segments of people apart, mixed with blinks or muscle at ten levels.
  It is what single-channel methods (networks, filters) are compared on. Each segment is a signal
  of its own, and one window of a network; a stage that must calibrate on a signal, or that needs
  other channels, leaves these as they are.
- **scalp**: 19 channels of a person, clean, into which blinks and muscle of people apart are mixed
  as they would spread over a scalp: 30 s to calibrate on, with some artifacts in them, then 30 s
  once at each level with every second segment of 2 s contaminated, and once clean.
- **recordings**: real blinks with a mask: what is kept where there are none (signal-to-error ratio)
  and what is removed where they are (artifact-to-residue ratio; Somers et al. 2018).

Errors are taken against what the session's plain filters alone make of the clean signal, so that
a filter's own delay is not counted as damage. Samples that a stage declares missing are left out
of the error and counted in ``kept_share``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt, welch

from volition.benchmarks.quality.contract.denoising import (
    SNR_DB,
    Continuous,
    DenoisingDataset,
    Masked,
    Segments,
    scale_to,
    topographies,
)
from volition.benchmarks.quality.evaluation.clustered import Clusters, ratio_interval
from volition.benchmarks.speed.stages import meegkit_asr, meegkit_clean
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage
from volition.decoders.stages.blocks import BlockStage
from volition.decoders.stages.iir import IirStage
from volition.errors import ConfigError, NotFittedError
from volition.service.sessions.config import SessionConfig

#: Bands of the zero-phase band-pass that each method is set beside, Hz.
BASELINE_BANDS_HZ = {"eog": (4.0, 45.0), "emg": (0.5, 20.0)}
CHUNK_S = 0.05
SEGMENT_S = 2.0
CALIBRATION_S = 30.0
#: Level at which artifacts are mixed into the calibration.
CALIBRATION_SNR_DB = -2.0
#: Single-channel pairs at each level.
N_PAIRS = 200
ARTIFACTS = ("eog", "emg")
#: Whom a row is of: of the people of the scalp part some are those whose clean segments the
#: networks that ship were trained on (with other artifacts), and some are not.
ALL, TAUGHT, OTHERS = "all", "taught", "others"
_SCORES = ("rrmse_time", "rrmse_spectrum", "cc")
#: Cutoffs at which the peer is asked.
MEEGKIT_CUTOFFS = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0)


def evaluate_denoising(
    dataset: DenoisingDataset, root: Path, config: SessionConfig, seed: int = 0
) -> dict[str, Any]:
    """Score the stages of ``config``.

    Parameters
    ----------
    dataset
        What is cleaned.
    root
        Folder that holds it.
    config
        Whose stages run; the decoder is not asked.
    seed
        Seed of the pairing.

    Returns
    -------
    dict
        ``rows``: for each part, artifact, level (None: clean) and method (``session``,
        ``untouched``, ``bandpass``): ``rrmse_time``, ``rrmse_spectrum``, ``cc`` (None where
        nothing was kept to score), their ``intervals`` over people (``n_people``), each
        person's correlation (``by_person``), the ``worst`` of them, and ``kept_share``. The
        scalp's rows of the session stand three times,
        by ``people``: ``all``, ``taught`` (whose clean segments are for training, as of the
        networks that ship) and ``others``.
        ``cc_2db`` and ``cc_m7db``: the correlation of the session's method on muscle, in the part
        that ``cc_part`` names: ``segments`` for a method that cleans single channels by segments,
        ``scalp`` for all others, to which a single channel is nothing; under the keys ``segments``
        and ``scalp`` both parts'; ``clean_error``: relative error on clean data, the larger of both
        parts; ``scalp_people``: the scalp's correlations of those who are ``taught`` and of
        ``others``; ``recordings``: decibels kept and removed and what the last stage says it did,
        or why the session refused the recording.

    Raises
    ------
    RecordingError
        The folder does not hold the data set.
    ConfigError
        The session has no stages.
    """
    if not config.stages:
        raise ConfigError(f"{dataset.name} scores the stages of a session, and this one has none")
    segments = dataset.load_segments(root)
    rows = score_segments(segments.part(test=True), config.stages, seed)
    rows += score_scalp(dataset.load_continuous(root), segments, config.stages, seed)

    def cc(part: str, snr_db: float, people: str = ALL) -> float | None:
        wanted = ("session", part, "emg", snr_db, people)
        names = ("method", "part", "artifact", "snr_db", "people")
        return next((r["cc"] for r in rows if tuple(r[name] for name in names) == wanted), None)

    by_segments = any(
        hasattr(registry.stages()[one.kind], "clean_segments") for one in config.stages
    )
    part = "segments" if by_segments else "scalp"
    return {
        "dataset": dataset.name,
        "stages": [stage.kind for stage in config.stages],
        "snr": "10 log10(RMS signal / RMS artifact), as in EEGdenoiseNet",
        "cc_2db": cc(part, 2.0),
        "cc_m7db": cc(part, -7.0),
        "cc_part": part,
        **{
            one: {"cc_2db": cc(one, 2.0), "cc_m7db": cc(one, -7.0)} for one in ("segments", "scalp")
        },
        "scalp_people": {
            people: {"cc_2db": cc("scalp", 2.0, people), "cc_m7db": cc("scalp", -7.0, people)}
            for people in (TAUGHT, OTHERS)
        },
        "clean_error": max(
            row["rrmse_time"]
            for row in rows
            if (row["snr_db"], row["method"], row["people"]) == (None, "session", ALL)
            and row["cc"] is not None
        ),
        "recordings": score_recordings(dataset.load_masked(root), config.stages),
        "rows": rows,
    }


# -- the three parts -----------------------------------------------------------------------------


def score_segments(
    segments: Segments, stages: Sequence[Settings], seed: int
) -> list[dict[str, Any]]:
    """Score single-channel segments; each is a signal of its own."""
    rng = np.random.default_rng(seed)
    rate_hz = segments.rate_hz
    spec = SignalSpec(rate_hz, ("Cz",))
    rows = []
    chosen = rng.choice(len(segments.eeg), N_PAIRS, replace=False)
    eeg, people = segments.eeg[chosen], segments.eeg_person[chosen].tolist()
    whole = _try_prepare(stages, spec)
    plain = _prepared(_plain(stages), spec)
    truth = _each(plain, eeg)
    clean = Cleaned(people, truth, _each(whole, eeg))
    rows.append(score_cleaned(("segments", None, None), "session", clean, rate_hz))
    for kind in ARTIFACTS:
        artifacts = segments.artifacts(kind)
        artifacts = artifacts[rng.choice(len(artifacts), N_PAIRS)]
        for snr_db in SNR_DB:
            scales = [scale_to(x, n, snr_db) for x, n in zip(eeg, artifacts, strict=True)]
            mixed = eeg + np.array(scales)[:, None] * artifacts
            band = sosfiltfilt(_baseline(kind, rate_hz), mixed, axis=1)
            found = {
                "session": (truth, _each(whole, mixed)),
                "untouched": (truth, _each(plain, mixed)),
                "bandpass": (eeg, band),
            }
            rows += [
                score_cleaned(("segments", kind, snr_db), method, Cleaned(people, *pair), rate_hz)
                for method, pair in found.items()
            ]
    return rows


def score_scalp(
    people: Sequence[Continuous], segments: Segments, stages: Sequence[Settings], seed: int
) -> list[dict[str, Any]]:
    """Score 19 channels of each person, artifacts of people apart in calibration and test."""
    levels: list[float | None] = [*SNR_DB, None]
    pieces: dict[tuple[str, float | None, str], list[tuple[int, FloatArray, FloatArray]]] = {}
    taught = set(segments.part(test=False).eeg_person.tolist())
    rate_hz = people[0].rate_hz
    for person in people:
        for kind in ARTIFACTS:
            rng = np.random.default_rng([seed, person.person, ARTIFACTS.index(kind)])
            clean, mixed, places = _scalp_signal(person, segments, kind, levels, rng)
            spec = SignalSpec(
                rate_hz, (*person.labels, "VEOG"), kinds=("EEG",) * len(person.labels) + ("EOG",)
            )
            truth = _stream(_prepared(_plain(stages), spec), clean)
            untouched = _stream(_prepared(_plain(stages), spec), mixed)
            session = _stream(_prepared(stages, spec), mixed)
            band = sosfiltfilt(_baseline(kind, rate_hz), mixed, axis=0)
            n = len(person.labels)
            for level, starts in places.items():
                for start in starts:
                    cut = slice(start, start + round(SEGMENT_S * rate_hz))
                    for method, wanted, given in (
                        ("session", truth, session),
                        ("untouched", truth, untouched),
                        ("bandpass", clean, band),
                    ):
                        pieces.setdefault((kind, level, method), []).append(
                            (person.person, wanted[cut, :n].T, given[cut, :n].T)
                        )
    rows = []
    for (kind, level, method), pairs in pieces.items():
        if level is None and method == "bandpass":
            continue
        where = ("scalp", None if level is None else kind, level)
        groups = {ALL: pairs}
        if method == "session":  # what was learned was learned from some of these people
            groups[TAUGHT] = [pair for pair in pairs if pair[0] in taught]
            groups[OTHERS] = [pair for pair in pairs if pair[0] not in taught]
        for group, some in groups.items():
            if some:
                people_of, wanted_of, given_of = zip(*some, strict=True)
                chosen = Cleaned(people_of, np.array(wanted_of), np.array(given_of))
                rows.append({**score_cleaned(where, method, chosen, rate_hz), "people": group})
    return rows


def _scalp_signal(
    person: Continuous,
    segments: Segments,
    kind: str,
    levels: Sequence[float | None],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, dict[float | None, list[int]]]:
    """Make a person's signal: clean, contaminated, and where the segments of each level begin."""
    length = round(SEGMENT_S * person.rate_hz)
    n_calibration = round(CALIBRATION_S / SEGMENT_S)
    n_test = len(person.eeg) // length - n_calibration
    calibration = person.eeg[: n_calibration * length]
    test = person.eeg[n_calibration * length : (n_calibration + n_test) * length]
    eeg = np.concatenate([calibration, *[test] * len(levels)])
    spread = topographies(person.labels, kind)
    artifact = np.zeros_like(eeg)
    eye = np.zeros(len(eeg))
    places: dict[float | None, list[int]] = {level: [] for level in levels}
    for start, level, is_test in _schedule(n_calibration, n_test, length, levels):
        if is_test:
            places[level].append(start)
        if level is None:
            continue
        cut = slice(start, start + length)
        source = segments.part(test=is_test).artifacts(kind)
        waves = source[rng.choice(len(source), len(spread))] * _taper(length, person.rate_hz)
        spread_now = waves.T @ spread
        scale = scale_to(eeg[cut], spread_now, level)
        artifact[cut] = scale * spread_now
        if kind == "eog":
            eye[cut] = scale * waves[0] * spread.max()
    # An eye channel sees the blinks as the frontal electrodes do, brain activity less, and noise.
    frontal = [person.labels.index(label) for label in ("Fp1", "Fp2")]
    beside = 0.3 * eeg[:, frontal].mean(axis=1) + rng.standard_normal(len(eeg))
    clean = np.column_stack([eeg, beside])
    return clean, np.column_stack([eeg + artifact, beside + eye]), places


def _schedule(
    n_calibration: int, n_test: int, length: int, levels: Sequence[float | None]
) -> Iterable[tuple[int, float | None, bool]]:
    """Give where segments begin, the level of their artifact, and whether they are scored."""
    for i in range(3, n_calibration, 4):
        yield i * length, CALIBRATION_SNR_DB, False
    for number, level in enumerate(levels):
        first = n_calibration + number * n_test
        for i in range(0 if level is None else 1, n_test, 1 if level is None else 2):
            yield (first + i) * length, level, True


def score_recordings(
    recordings: Mapping[str, Masked], stages: Sequence[Settings]
) -> dict[str, Any]:
    """Score real blinks: fitted on the recording and scored on it, as its reference figures are.

    Beside it, ``held_out``: fitted on one half and scored on the other, both ways.
    """
    found: dict[str, Any] = {}
    for name, one in recordings.items():
        try:
            found[name] = score_recording(one, stages)
            found[name]["held_out"] = score_held_out(one, stages)
        except ConfigError as error:  # say, a network of another rate
            found[name] = {"refused": error.message}
    return found


def score_recording(one: Masked, stages: Sequence[Settings]) -> dict[str, Any]:
    """Give `ratios` of a recording, and what its last stage says it did."""
    wanted, signal, state = _clean_recording(one, stages, slice(None))
    found = {**ratios(wanted, signal, one.mask), "state": state}
    if stages[-1].kind in {"asr", "rasr"}:
        found["meegkit"] = score_meegkit(wanted, one, found)
    return found


def score_held_out(one: Masked, stages: Sequence[Settings]) -> list[dict[str, float]] | None:
    """Give `ratios` of each half, fitted on the other; None where half is too little to fit on."""
    half = len(one.eeg) // 2
    first, second = slice(half), slice(half, None)
    found = []
    for known, other in ((first, second), (second, first)):
        try:
            wanted, signal, _ = _clean_recording(one, stages, known)
        except NotFittedError:
            return None
        found.append(ratios(wanted[other], signal[other], one.mask[other]))
    return found


def _clean_recording(
    one: Masked, stages: Sequence[Settings], known: slice
) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
    """Run a recording through the stages, calibrated on its part ``known``.

    Returns
    -------
    wanted : ndarray
        What the plain filters alone make of it.
    signal : ndarray
        What all stages make of it.
    state : dict
        State of the last stage.
    """
    spec = SignalSpec(one.rate_hz, one.labels)
    wanted = _stream(_prepared(_plain(stages), spec), one.eeg)
    chain = _prepared(_plain(stages), spec)
    signal = one.eeg
    for settings in stages:
        stage = registry.build_stage(settings)
        if isinstance(stage, BlockStage):
            _fit_on_mask(stage, signal[known], one.mask[known], spec)
        stage.prepare(spec)
        chain.append(stage)
        signal = _stream([stage], signal)
    return wanted, signal, chain[-1].state()


def score_meegkit(signal: FloatArray, one: Masked, ours: dict[str, Any]) -> dict[str, Any] | None:
    """Give meegkit's ASR on the same calibration and signal; None where it is not installed.

    A method can keep more by removing less, so both are set beside each other along the whole range
    of cutoffs: ``removed_db_at_our_kept_db`` is what the peer removes at the cutoff at which it
    keeps as much as ours does, None where no cutoff of `MEEGKIT_CUTOFFS` brackets that.
    """
    rows = meegkit_rows(signal, one)
    if rows is None:
        return None
    kept = [row["kept_db"] for row in rows]
    same = None
    if kept[0] <= ours["kept_db"] <= kept[-1]:
        same = float(np.interp(ours["kept_db"], kept, [row["removed_db"] for row in rows]))
    return {"rows": rows, "removed_db_at_our_kept_db": same}


def meegkit_rows(signal: FloatArray, one: Masked) -> list[dict[str, float]] | None:
    """Give `ratios` of meegkit's ASR at each cutoff, by what it keeps; None where it is absent."""
    rows = []
    for cutoff in MEEGKIT_CUTOFFS:
        asr = meegkit_asr(signal[~one.mask], one.rate_hz, cutoff=cutoff)
        if asr is None:
            return None
        cleaned = meegkit_clean(asr, signal, one.rate_hz)
        rows.append({"cutoff": cutoff, **ratios(signal, cleaned, one.mask)})
    return sorted(rows, key=lambda row: row["kept_db"])


def ratios(before: FloatArray, after: FloatArray, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Give what is kept without artifacts, and removed with them, in decibels.

    Energies are summed over channels: kept = 10 log10(E[y²] / E[d²]) outside the mask, removed = 10
    log10(E[d²] / E[(y - d)²]) inside it, d what was taken away (Somers et al. 2018, section 2.5).
    """
    present = np.isfinite(after).all(axis=1)
    taken = before - after
    clean, artifact = ~mask & present, mask & present

    def energy(values: FloatArray) -> float:
        return max(float(np.square(values).sum()), 1e-20)

    return {
        "kept_db": 10 * float(np.log10(energy(before[clean]) / energy(taken[clean]))),
        "removed_db": 10 * float(np.log10(energy(taken[artifact]) / energy(after[artifact]))),
        "kept_share": float(present.mean()),
    }


def _fit_on_mask(
    stage: BlockStage[Any], signal: FloatArray, mask: npt.NDArray[np.bool_], spec: SignalSpec
) -> None:
    """Calibrate a stage on a masked recording: ASR and its kin on what is clean, others on all."""
    kind = stage.settings.kind
    if kind == "mwf":
        parameters = stage.fit(signal, spec, mask)  # type: ignore[call-arg]  # its fit takes a mask
    else:
        parameters = stage.fit(signal[~mask] if kind in {"asr", "rasr", "potato"} else signal, spec)
    if parameters:
        stage.use(parameters)


# -- running stages ------------------------------------------------------------------------------


def _plain(stages: Sequence[Settings]) -> list[Settings]:
    """Give the plain filters among the stages: what they do is no cleaning, and no damage."""
    return [one for one in stages if issubclass(registry.stages()[one.kind], IirStage)]


@runtime_checkable
class SegmentCleaner(Protocol):
    """A stage that cleans whole segments of one channel by themselves (n, n_samples)."""

    def clean_segments(self, segments: FloatArray) -> FloatArray: ...


def _prepared(stages: Sequence[Settings], spec: SignalSpec) -> list[Stage[Any]]:
    built = []
    for settings in stages:
        stage = registry.build_stage(settings)
        spec = stage.prepare(spec)
        built.append(stage)
    return built


def _try_prepare(stages: Sequence[Settings], spec: SignalSpec) -> list[Stage[Any]]:
    """Prepare the stages that can work on such a signal; leave out those that cannot."""
    built = []
    for settings in stages:
        stage = registry.build_stage(settings)
        try:
            spec = stage.prepare(spec)
        except (ConfigError, NotFittedError):
            continue
        built.append(stage)
    return built


def _stream(stages: Sequence[Stage[Any]], signal: FloatArray) -> FloatArray:
    """Run a signal (n_samples, n_channels) through stages in chunks, as it would come live.

    Without a `Cleaner`: what is scored is what stages do to segments that have no stamps.
    Stages that wait for what follows are given zeros after the end, until all is out.
    """
    if not stages:
        return signal
    rate_hz = 1.0 / SEGMENT_S
    for stage in stages:
        rate_hz = max(rate_hz, float(getattr(stage, "rate_hz", 0.0)))
    waits = sum(float(getattr(stage, "latency_s", 0.0)) for stage in stages)
    n = len(signal)
    extra = round((waits + CHUNK_S) * rate_hz) + 1 if waits else 0
    longer = np.concatenate([signal, np.zeros((extra, signal.shape[1]))])
    times = np.arange(len(longer), dtype=np.float64)  # in samples: only their order matters here
    step = 256
    found = []
    for start in range(0, len(longer), step):
        chunk = Chunk(longer[start : start + step].copy(), times[start : start + step].copy())
        for stage in stages:
            chunk = stage.process(chunk)
        found.append(np.array(chunk.samples))
    return np.concatenate(found)[:n]


def _each(stages: Sequence[Stage[Any]], signals: FloatArray) -> FloatArray:
    """Run single-channel signals (n, n_samples), each from the start."""
    for stage in stages:
        if isinstance(stage, SegmentCleaner):
            signals = stage.clean_segments(signals)
            continue
        cleaned = np.empty_like(signals)
        for i, signal in enumerate(signals):
            stage.reset()
            cleaned[i] = _stream([stage], signal[:, None])[:, 0]
        signals = cleaned
    return signals


# -- scores --------------------------------------------------------------------------------------


class Cleaned(NamedTuple):
    """Segments (n, n_samples) or (n, n_channels, n_samples) as they should be, and as they are.

    Attributes
    ----------
    people
        Whose each segment is.
    """

    people: Sequence[int]
    wanted: FloatArray
    given: FloatArray


def score_cleaned(
    where: tuple[str, str | None, float | None], method: str, pairs: Cleaned, rate_hz: float
) -> dict[str, Any]:
    """Score the segments of a part, artifact and level."""
    scores = [
        score_segment(np.atleast_2d(x), np.atleast_2d(y), rate_hz)
        for x, y in zip(pairs.wanted, pairs.given, strict=True)
    ]
    finite = [score for score in scores if score is not None]
    means = [float(mean) for mean in np.mean(finite, axis=0)] if finite else [None] * 3
    people = [
        str(person) for person, score in zip(pairs.people, scores, strict=True) if score is not None
    ]
    clusters = Clusters.by_name("people", people)
    ones = np.ones(len(finite))
    intervals = [ratio_interval(clusters, values, ones) for values in zip(*finite, strict=True)]
    by_person = _of_each_person(clusters, [score[2] for score in finite])
    kept = float(np.isfinite(pairs.given).mean())
    part, artifact, snr_db = where
    return {
        "part": part,
        "artifact": artifact,
        "snr_db": snr_db,
        "method": method,
        "rrmse_time": means[0],
        "rrmse_spectrum": means[1],
        "cc": means[2],
        "intervals": dict(
            zip(_SCORES, intervals or [None] * 3, strict=True),
        ),
        "worst": _worst(by_person),
        "by_person": by_person,
        "kept_share": kept,
        "n": len(scores),
        "people": ALL,
        "n_people": len(clusters.names),
    }


def _of_each_person(clusters: Clusters, correlations: Sequence[float]) -> dict[str, float]:
    """Give the mean correlation of each person's segments."""
    means = clusters.sums(correlations) / clusters.sums(np.ones(len(correlations)))
    return dict(zip(clusters.names, means.tolist(), strict=True))


def _worst(by_person: Mapping[str, float]) -> dict[str, Any] | None:
    """Say whose segments correlate least, and how much."""
    if not by_person:
        return None
    who = min(by_person, key=by_person.__getitem__)
    return {"who": who, "cc": by_person[who]}


def score_segment(
    wanted: FloatArray, given: FloatArray, rate_hz: float
) -> tuple[float, float, float] | None:
    """Score a segment (n_channels, n_samples); None when hardly anything of it is there.

    Returns
    -------
    tuple of float
        Relative errors in time and of the spectrum, and Pearson's correlation, the channels' mean.
    """
    present = np.isfinite(given).all(axis=0)
    if present.mean() < 0.5:
        return None
    x, y = wanted[:, present], given[:, present]
    n = min(256, x.shape[1])
    _, spectrum_x = welch(x, rate_hz, nperseg=n)
    _, spectrum_y = welch(y, rate_hz, nperseg=n)
    x0, y0 = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(x0).sum(axis=1) * np.square(y0).sum(axis=1))
    correlation = (x0 * y0).sum(axis=1) / np.maximum(norms, 1e-12)
    return _relative(y, x), _relative(spectrum_y, spectrum_x), float(correlation.mean())


def _relative(given: FloatArray, wanted: FloatArray) -> float:
    return float(
        np.sqrt(np.square(given - wanted).mean() / max(float(np.square(wanted).mean()), 1e-20))
    )


def _baseline(kind: str, rate_hz: float) -> FloatArray:
    sections: FloatArray = butter(4, BASELINE_BANDS_HZ[kind], "bandpass", fs=rate_hz, output="sos")
    return sections


def _taper(n_samples: int, rate_hz: float) -> FloatArray:
    """Give a window that lets an artifact begin and end within 0.1 s."""
    edge = round(0.1 * rate_hz)
    rise = (1 - np.cos(np.pi * (np.arange(edge) + 0.5) / edge)) / 2
    return np.concatenate([rise, np.ones(n_samples - 2 * edge), rise[::-1]])
