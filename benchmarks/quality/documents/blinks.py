"""The tables of real blinks in docs/artifacts.md: what is kept without them, and removed of them.

They are two recordings of two people, so no figure of theirs has an interval over people.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from volition.benchmarks.quality.datasets import denoise_mix
from volition.benchmarks.quality.documents.runs import Made, Measurement, Results, markdown
from volition.benchmarks.quality.evaluation.denoising import score_recordings
from volition.decoders.contract.settings import Settings
from volition.decoders.stages.wiener import WienerFilterSettings
from volition.service.sessions.config import load_config

RECORDINGS = ("blink19", "eeglab_data")
METHODS = ("asr", "rasr", "mwf", "eog-regression", "rls")
LOOKAHEADS_S = (0.0, 0.128, 0.256, 0.384)
#: Taps on either side and shrinkage of the Wiener filter.
FILTERS = ((1, 0.0), (1, 0.1), (5, 0.0), (5, 0.1), (5, 0.3))
_PEER = "meegkit"


def _blinks(name: str) -> str:
    return f"blinks, {name}"


def _ahead(name: str, lookahead_s: float) -> str:
    return f"blinks, {name}, look-ahead {lookahead_s:g} s"


def _filtered(taps: int, shrinkage: float) -> str:
    return f"blinks, mwf alone, {taps} taps, shrinkage {shrinkage:g}"


def _preset(name: str, **changes: Any) -> list[Settings]:
    """Give a preset's stages, the last one changed."""
    *plain, last = load_config(name).stages
    return [*plain, type(last).model_validate(last.model_dump() | changes)]


def _score(stages: Sequence[Settings], data: Path) -> dict[str, Any]:
    """Give decibels kept and removed, fitted on the whole, and held out by halves."""
    found = score_recordings(denoise_mix.load_masked(data / "denoise_mix"), stages)
    return {name: dict(_kept(one)) for name, one in found.items()}


def _kept(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "whole", _both(one)
    yield "halves", [_both(half) for half in one["held_out"] or ()]
    peer = one.get(_PEER)
    if peer is not None:  # where it is installed
        by_cutoff = {row["cutoff"]: _both(row) for row in peer["rows"]}
        same = peer["removed_db_at_our_kept_db"]
        yield _PEER, {"at_20": by_cutoff[20.0], "removed_db_at_our_kept_db": same}


def _both(one: Mapping[str, float]) -> list[float]:
    return [one["kept_db"], one["removed_db"]]


RUNS: tuple[Measurement, ...] = (
    *(Made(_blinks(name), partial(_score, _preset(name))) for name in METHODS),
    *(
        Made(_ahead(name, ahead_s), partial(_score, _preset(name, lookahead_s=ahead_s)))
        for name, ahead_s in itertools.product(("asr", "rasr"), LOOKAHEADS_S)
    ),
    *(
        Made(
            _filtered(taps, shrinkage),
            partial(_score, [WienerFilterSettings(taps=taps, shrinkage=shrinkage, open_at=0)]),
        )
        for taps, shrinkage in FILTERS
    ),
)


def real(results: Results) -> str:
    """Give each method, fitted on the whole recording and, in brackets, on either half."""
    rows = []
    for name in METHODS:
        found = results[_blinks(name)]
        rows.append([f"`{name}`", *(_cell(found[one]) for one in RECORDINGS)])
        if all(_PEER in found[one] for one in RECORDINGS):
            peers = [found[one][_PEER] for one in RECORDINGS]
            same = [
                "-"
                if peer["removed_db_at_our_kept_db"] is None
                else _said([found[one]["whole"][0], peer["removed_db_at_our_kept_db"]])
                for one, peer in zip(RECORDINGS, peers, strict=True)
            ]
            rows.append([f"meegkit's ASR where it keeps as much as `{name}`", *same])
            if name == "asr":
                rows.append(
                    [
                        "meegkit's ASR at the same cutoff, 20",
                        *(_said(one["at_20"]) for one in peers),
                    ]
                )
    return markdown(("method", *(f"{one}: kept / removed, dB" for one in RECORDINGS)), rows)


def _cell(one: Mapping[str, Any]) -> str:
    halves = ", ".join(map(_said, one["halves"]))
    return f"{_said(one['whole'])} ({halves})" if halves else _said(one["whole"])


def _said(both: Sequence[float]) -> str:
    return f"{both[0]:.1f} / {both[1]:.1f}"


def ahead(results: Results) -> str:
    """Give what look-ahead does to the first recording."""
    rows = [
        [
            f"`{name}`",
            *(_said(results[_ahead(name, one)]["blink19"]["whole"]) for one in LOOKAHEADS_S),
        ]
        for name in ("asr", "rasr")
    ]
    return markdown(("`lookahead_s`", *(f"{one:g}" for one in LOOKAHEADS_S)), rows)


def taps(results: Results) -> str:
    """Give the Wiener filter always on, with nothing before it."""
    rows = []
    for n_taps, shrinkage in FILTERS:
        found = results[_filtered(n_taps, shrinkage)]
        cells = [
            _said(both)
            for one in RECORDINGS
            for both in (found[one]["whole"], *found[one]["halves"])
        ]
        rows.append([str(n_taps), f"{shrinkage:g}", *cells])
    parts = [
        f"{one}: {part}" for one in RECORDINGS for part in ("whole", "first half", "second half")
    ]
    return markdown(("taps", "shrinkage", *parts), rows)


TABLES = {"real blinks": real, "look-ahead": ahead, "filters": taps}
