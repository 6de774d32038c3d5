"""Which channels of a stream are used, in which order, and how they become microvolts.

Streams name their channels and units in many ways, or not at all. One plan is made when a stream
or a recording is opened, and what had to be assumed is said in its warnings, never in silence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.errors import ConfigError
from volition.streams.signal.triggers import CODES

MICROVOLTS = "microvolts"

# Both code points of the micro sign become the Greek letter under NFKC; one that was written in
# another encoding than UTF-8 is read as the replacement character.
_VOLTAGE = re.compile(r"(n|nano|u|μ|\ufffd|micro|m|milli|p|pico|)[\s_-]*v(?:olts?)?")
_MICROVOLTS_PER_PREFIX = {"p": 1e-6, "n": 1e-3, "u": 1.0, "m": 1e3, "": 1e6}
_MICROVOLTS_PER_PREFIX |= dict.fromkeys("μ\ufffd", 1.0)
_LONG_PREFIXES = {"nano": "n", "micro": "u", "milli": "m", "pico": "p"}
#: The power of ten of a volt, which is how MNE-LSL writes units.
_POWERS = {"0": 1e6, "-3": 1e3, "-6": 1.0, "-9": 1e-3, "-12": 1e-6}

#: Kinds and units of what lies beside EEG in the streams of many devices, and what it is called.
_OTHER_KINDS = frozenset(
    (
        "acc",
        "accel",
        "accelerometer",
        "gyr",
        "gyro",
        "gyroscope",
        "mag",
        "magnetometer",
        "imu",
        "bat",
        "battery",
        "cnt",
        "counter",
        "valid",
        "validation",
        "trig",
        "trigger",
        CODES,
        "trg",
        "stim",
        "status",
        "din",
        "event",
        "marker",
        "misc",
        "aux-digital",
        "temp",
        "temperature",
        "ppg",
        "time",
        "timestamp",
        "quality",
        "fnirs",
        "nirs",
        "impedance",
        "imp",
    )
)
#: Voltages that are no EEG; beside channels that say they are EEG these are left out too. Eye
#: movements stay: stages take them off the others.
_BODY_KINDS = frozenset(
    ("aux", "ecg", "ekg", "emg", "eda", "gsr", "resp", "respiration", "bip", "bvp")
)
_BRAIN_KINDS = frozenset(("eeg", "ieeg", "seeg", "ecog"))
_OTHER_UNITS = frozenset(
    (
        "g",
        "m/s^2",
        "m/s2",
        "deg/s",
        "°/s",
        "dps",
        "rad/s",
        "%",
        "percent",
        "s",
        "sec",
        "second",
        "seconds",
        "ms",
        "°c",
        "celsius",
        "t",
        "μt",
        "ut",
        "bool",
        "boolean",
        "ohm",
        "ohms",
        "ω",
        "kohm",
        "kohms",
        "kiloohm",
        "kiloohms",
        "kω",
        "mohm",
        "megaohm",
        "mω",
    )
)
_OTHER_LABELS = re.compile(
    r"(acc(el\w*)?|gyr(o\w*)?|mag(net\w*)?|quat\w*)[\s_.:-]*[wxyz0-3]?"
    r"|bat(tery)?([\s_-]*(level|pct|percent|%))?"
    r"|(sample|packet|package|frame)?[\s_-]*(cnt|counter|index|number|num)"
    r"|(unix[\s_-]*)?time[\s_-]*stamps?|valid(ation[\s_-]*indicator)?|interpolated?"
    r"|(hardware[\s_-]*)?markers?([\s_-]*(index|type|value))?|raw[\s_-]*cq"
    r"|temp(erature)?|(\w+[\s_.:-]+)?imp(edances?)?([\s_.:-]+\w+)?"
)
TRIGGER_LABEL = re.compile(
    r"status|trig(ger)?s?|trg|sti(m)?[\s_-]*\d*|din[\s_-]*\d*", re.IGNORECASE
)
"""What the channel is called by which recorders keep the codes of triggers."""


def microvolts_per_unit(unit: str) -> float | None:
    """Give how many microvolts one of a unit is; None for a unit that is no voltage we know."""
    text = unicodedata.normalize("NFKC", unit).strip(" \t[]().").casefold()
    if text in _POWERS:
        return _POWERS[text]
    match = _VOLTAGE.fullmatch(text)
    if match is None:
        return None
    prefix = match.group(1)
    return _MICROVOLTS_PER_PREFIX[_LONG_PREFIXES.get(prefix, prefix)]


def is_other(label: str, unit: str, kind: str) -> bool:
    """Say whether a channel holds something beside EEG: motion, battery, impedance, triggers."""
    # Both code points of the ohm sign become the Greek letter under NFKC.
    plain_unit = unicodedata.normalize("NFKC", unit).strip(" \t[]().").casefold()
    return (
        kind.strip().casefold() in _OTHER_KINDS
        or plain_unit in _OTHER_UNITS
        or _OTHER_LABELS.fullmatch(label.strip().casefold()) is not None
        or TRIGGER_LABEL.fullmatch(label.strip()) is not None
    )


@dataclass(frozen=True, slots=True, eq=False)
class ChannelSelection:
    """The plan from a stream's samples to ours.

    Attributes
    ----------
    spec
        Specification of the samples that come out.
    indices : tuple of int
        Which of the stream's channels they are, in order.
    scale : ndarray of float64, shape (n_channels,), or None
        What to multiply by; None when every factor is 1.
    warnings
        What was assumed.
    n_in
        How many channels the stream has.
    """

    spec: SignalSpec
    indices: tuple[int, ...]
    scale: FloatArray | None
    warnings: tuple[str, ...]

    n_in: int

    @property
    def takes_all(self) -> bool:
        """Whether all channels are used, in the order of the stream."""
        return self.indices == tuple(range(self.n_in))

    def apply(self, samples: FloatArray) -> FloatArray:
        """Pick and scale samples of shape (n_samples, n_in); without either, give them back."""
        picked = samples if self.takes_all else samples[:, self.indices]
        return picked if self.scale is None else picked * self.scale


def plan(
    *,
    n_channels: int,
    rate_hz: float,
    labels: Sequence[str] = (),
    units: Sequence[str] = (),
    kinds: Sequence[str] = (),
    channels: Sequence[str] | None = None,
    override_units: str | None = None,
    trigger_channel: str | None = None,
) -> ChannelSelection:
    """Make the plan for a stream that describes itself so.

    Parameters
    ----------
    n_channels, rate_hz, labels, units, kinds
        What the stream says; labels, units and kinds may be empty, or hold empty texts.
    channels
        Labels to use, in this order. When None all that may hold EEG, or all, where none does.
    override_units
        Unit of the samples, whatever the stream says.
    trigger_channel
        Label of the channel that holds codes of triggers: it becomes the last one, as it is.

    Raises
    ------
    ConfigError
        A label that the stream does not have, or one asked for twice, or an ``override_units``
        that is no voltage.
    """
    warnings: list[str] = []
    names = _unique_labels(labels, n_channels, warnings)
    indices = _pick(names, channels)
    codes = () if trigger_channel is None else _pick(names, [trigger_channel])
    if channels is not None and trigger_channel in channels:
        raise ConfigError(f"'{trigger_channel}' is the trigger channel; leave it out of channels")
    indices = tuple(i for i in indices if i not in codes)
    if channels is None:
        indices = _without_others(indices, names, units, kinds, warnings)
    factors, out_units = _scales(units, indices, names, override_units, warnings)
    out_kinds = [kinds[i] if i < len(kinds) and kinds[i] else "EEG" for i in indices]
    if codes:
        indices, factors = indices + codes, np.append(factors, 1.0)
        out_units, out_kinds = (*out_units, ""), [*out_kinds, CODES]
    scale = None if np.all(factors == 1.0) else factors
    spec = SignalSpec(rate_hz, tuple(names[i] for i in indices), out_units, tuple(out_kinds))
    return ChannelSelection(spec, indices, scale, tuple(warnings), n_channels)


def plan_in_microvolts(
    labels: Sequence[str],
    rate_hz: float,
    channels: Sequence[str] | None = None,
    override_units: str | None = None,
) -> ChannelSelection:
    """Make the plan for a signal whose channels are all in microvolts; see `plan`."""
    return plan(
        n_channels=len(labels),
        rate_hz=rate_hz,
        labels=labels,
        units=(MICROVOLTS,) * len(labels),
        channels=channels,
        override_units=override_units,
    )


def _unique_labels(labels: Sequence[str], n: int, warnings: list[str]) -> list[str]:
    given = [label.strip() for label in labels]
    if len(given) != n:
        if given:
            warnings.append(
                f"the stream describes {len(given)} channels but has {n}; its labels are not used"
            )
        else:
            warnings.append(f"the stream names no channels; they are called 1 to {n}")
        return [str(i + 1) for i in range(n)]
    filled = [label or str(i + 1) for i, label in enumerate(given)]
    taken = set(filled)
    seen: set[str] = set()
    result = []
    for label in filled:
        unique, count = label, 2
        while unique in seen or (unique != label and unique in taken):
            unique = f"{label}-{count}"
            count += 1
        if unique != label:
            warnings.append(f"label '{label}' occurs again; this one is called '{unique}'")
        seen.add(unique)
        result.append(unique)
    return result


def _pick(names: Sequence[str], channels: Sequence[str] | None) -> tuple[int, ...]:
    if channels is None:
        return tuple(range(len(names)))
    missing = [label for label in channels if label not in names]
    if missing:
        raise ConfigError(
            f"no channel {', '.join(repr(label) for label in missing)}; found: {', '.join(names)}",
            missing=missing,
            found=list(names),
        )
    twice = sorted({label for label in channels if list(channels).count(label) > 1})
    if twice:
        raise ConfigError(f"channel {', '.join(twice)} is asked for more than once", twice=twice)
    return tuple(names.index(label) for label in channels)


def _without_others(
    indices: tuple[int, ...],
    names: Sequence[str],
    units: Sequence[str],
    kinds: Sequence[str],
    warnings: list[str],
) -> tuple[int, ...]:
    """Leave out what is no EEG."""

    def of(texts: Sequence[str], index: int) -> str:
        return texts[index] if index < len(texts) else ""

    kind_of = {i: of(kinds, i).strip().casefold() for i in indices}
    body = _BODY_KINDS if _BRAIN_KINDS & {*kind_of.values()} else frozenset()
    others = [
        i for i in indices if kind_of[i] in body or is_other(names[i], of(units, i), of(kinds, i))
    ]
    if not others or len(others) == len(indices):
        return indices
    left_out = _shortened([names[i] for i in others])
    warnings.append(
        f"{left_out}: left out, for they hold no EEG; name in channels what is to be used"
    )
    return tuple(i for i in indices if i not in others)


def _scales(
    units: Sequence[str],
    indices: Sequence[int],
    names: Sequence[str],
    override: str | None,
    warnings: list[str],
) -> tuple[FloatArray, tuple[str, ...]]:
    if override is not None:
        factor = microvolts_per_unit(override)
        if factor is None:
            raise ConfigError(
                f"units '{override}' are no voltage; allowed: microvolts, uV, mV, V, nV",
                found=override,
            )
        return np.full(len(indices), factor), (MICROVOLTS,) * len(indices)
    factors = np.ones(len(indices))
    out_units = [MICROVOLTS] * len(indices)
    unknown: dict[str, list[str]] = {}
    for position, index in enumerate(indices):
        unit = units[index].strip() if index < len(units) else ""
        factor = microvolts_per_unit(unit)
        if factor is not None:
            factors[position] = factor
            continue
        unknown.setdefault(unit, []).append(names[index])
        if unit:
            out_units[position] = unit
    for unit, labels in unknown.items():
        said = f"unit '{unit}', which is no voltage we know," if unit else "no unit"
        taken = "passed on as they are" if unit else "taken as microvolts"
        warnings.append(f"{_shortened(labels)}: {said} is given; the samples are {taken}")
    return factors, tuple(out_units)


def _shortened(labels: Sequence[str]) -> str:
    if len(labels) <= 6:
        return ", ".join(labels)
    return f"{', '.join(labels[:4])} and {len(labels) - 4} more channels"
