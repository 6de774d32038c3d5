"""What is to be said of a stream that was looked at, and what to set for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from volition.streams.lsl.look import Seen
from volition.streams.lsl.stamp_clock import WARN_S, say_distance
from volition.streams.signal.continuity import RATE_WARN, RATE_WRONG

_HUM_SHARE = 0.5
_MOST_NAMED = 8


@dataclass(frozen=True)
class Finding:
    """One thing that was tried or looked at.

    Attributes
    ----------
    check, found
        What it is, and how it is.
    ok
        Whether that is as it should be.
    advice
        What to do; empty where nothing is to be done.
    stream
        What to set in a session's ``stream``.
    """

    check: str
    ok: bool
    found: str
    advice: str = ""
    stream: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _to_set(check: str, found: str, **stream: Any) -> Finding:
    """Say that something is to be set in a session's ``stream``."""
    settings = ", ".join(f"{key}: {value}" for key, value in stream.items())
    return Finding(check, False, found, f"stream: {{{settings}}}", stream)


def verdict(seen: Seen) -> list[Finding]:
    """Say of each side of a stream what was found, and what to do where it is not as it should."""
    return [
        _rate(seen),
        _stamping(seen),
        _clock(seen),
        _losses(seen),
        _units(seen),
        _plausible(seen),
        _channels(seen),
    ]


def _rate(seen: Seen) -> Finding:
    said, report = seen.description.rate_hz, seen.continuity
    counted = seen.samples / seen.seconds if seen.seconds > 0 else 0.0
    if not said:
        found = f"none is announced; about {counted:.1f} Hz come"
        return _to_set("rate", found, rate_hz=float(f"{counted:.4g}"))
    measured, doubt = report["rate_hz"], report["rate_uncertainty_hz"]
    if measured is None:
        found = f"{said:g} Hz announced; about {counted:.1f} Hz come, too few to measure"
        return Finding("rate", False, found, "look for longer: --seconds 60")
    found = f"{said:g} Hz announced, {measured:.2f} ± {doubt:.2f} Hz measured"
    off = abs(measured / said - 1.0)
    if off <= RATE_WARN + doubt / said:
        return Finding("rate", True, found)
    if off <= RATE_WRONG:
        return Finding("rate", True, found, "set stream.rate_hz where frequencies lie close")
    return _to_set("rate", found, rate_hz=float(f"{measured:.5g}"))


def _stamping(seen: Seen) -> Finding:
    report = seen.continuity
    size, jitter_ms = report["packet_samples"], 1e3 * report["jitter_s"]
    what = {
        "sample": "every sample has its stamp",
        "packet": f"packets of {size} samples share a stamp",
        "burst": f"bursts of about {size} samples",
    }[report["stamping"]]
    return Finding("stamps", True, f"{what}; up to {jitter_ms:.1f} ms late")


def _clock(seen: Seen) -> Finding:
    distance_s = seen.distance_s or 0.0
    found = f"stamps lie {say_distance(distance_s)} their arrival"
    if seen.clock != "lsl":
        return _to_set("clock", found, clock=seen.clock)
    if abs(distance_s) > WARN_S:
        advice = "have its program stamp by LSL's clock, now"
        return Finding("clock", False, found, advice)
    return Finding("clock", True, found)


def _losses(seen: Seen) -> Finding:
    report = seen.continuity
    missing, uncertain = report["missing"], report["uncertain"]
    share = missing / max(1, missing + report["samples"])
    found = f"{missing} samples missing ({share:.2%}) in {report['gaps']} gaps"
    if uncertain:
        found += f", {uncertain} of them not to the sample"
    advice = "nearer to the receiver, or by cable" if share > 0.01 else ""
    return Finding("losses", share <= 0.01, found, advice)


def _units(seen: Seen) -> Finding:
    unknown = [text for text in seen.warnings if "unit" in text]
    found = "; ".join(unknown) or "all in voltages that are known"
    return Finding("units", not unknown, found, "stream: {units: ...}" if unknown else "")


def _plausible(seen: Seen) -> Finding:
    if seen.plausibility is None:
        return Finding("plausible", True, "too short a look to tell, or no EEG")
    texts = [one["text"] for one in seen.plausibility["findings"]]
    found = "; ".join(texts) or "as EEG is in amplitude, spectrum and order of channels"
    return Finding("plausible", not texts, found, "compare unit, rate and cables" if texts else "")


def _channels(seen: Seen) -> Finding:
    def named(key: str, least: float = 0.5) -> str:
        labels = [channel["label"] for channel in seen.quality if float(channel[key]) >= least]
        more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
        return ", ".join(labels[:_MOST_NAMED]) + more

    trouble = [
        f"{what}: {labels}"
        for what, labels in (
            ("flat", named("flat")),
            ("at the amplifier's end", named("saturated")),
            ("more hum than signal", named("line_noise", _HUM_SHARE)),
        )
        if labels
    ]
    left_out = [text for text in seen.warnings if "left out" in text]
    found = "; ".join([*trouble, *left_out]) or f"{seen.spec.n_channels} channels, all alive"
    return Finding("channels", not trouble, found, "look at these electrodes" if trouble else "")
