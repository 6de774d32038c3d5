"""Forty targets and a simulated participant: what each decoder reads, by length of the window.

Six blocks of forty trials, nine channels; each block is decoded by a fit to the other five (the
decoder that needs no fit decodes the same trials). Sub-bands and harmonics are the presets'. The
levels are the simulation's; what may be compared is the order. Intervals are over people, who are
drawn anew whole. A rate is that of each block, then averaged, as papers do.

The two-stage network is trained at one length, on other people and then on each person's first five
blocks, and decodes the sixth alone: training takes minutes. It needs the extra ``train``; without
it the row says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from volition.benchmarks.quality.evaluation.clustered import Clusters, ratio_interval
from volition.chunk import FloatArray
from volition.decoders.fitting.metrics import itr_bits_per_min
from volition.decoders.ssvep.estimator import filtered_windows
from volition.decoders.ssvep.methods.dnn import DnnSettings
from volition.decoders.ssvep.methods.ecca import ECCA
from volition.decoders.ssvep.methods.fbcca import FBCCA, FbccaSettings
from volition.decoders.ssvep.methods.tdca import TDCA
from volition.decoders.ssvep.methods.trca import ETRCA
from volition.decoders.ssvep.templates import TemplateEstimator, TemplateSettings
from volition.service.sessions.config import load_config
from volition.streams.simulated.ssvep_participant import SsvepParticipant

N_BLOCKS = 6
WINDOWS_S = (0.3, 0.5, 0.8, 1.0)
#: Between a decision and the next onset.
GAZE_SHIFT_S = 0.5
#: Name in the table, estimator, preset, and what is changed in its settings.
CALIBRATED: tuple[tuple[str, type[TemplateEstimator[Any]], str, dict[str, Any]], ...] = (
    ("eCCA", ECCA, "ecca-40", {}),
    ("eTRCA", ETRCA, "etrca-40", {}),
    ("ms-eTRCA", ETRCA, "etrca-40", {"n_neighbours": 2}),
    ("TDCA", TDCA, "tdca-40", {}),
)


#: The networks: name in the table, the length that it is trained for, the people besides,
#: passes over the trials in either stage (the paper's 1000 take hours) and trials in a step.
NETWORK, NETWORK_WINDOW_S, N_TEACHERS, PASSES, BATCH = "network", 0.5, 4, (60, 150), 20
#: Seed of the first person who teaches the network; the others follow.
FIRST_TEACHER = 100


def speller(
    n_people: int = 2,
    windows_s: Sequence[float] = WINDOWS_S,
    say: Callable[[str], None] = print,
    *,
    network: bool = True,
) -> dict[str, Any]:
    """Score every decoder on people of seeds 0, 1, ...; ``rows`` has one for each and length.

    With ``network`` the two-stage network too, which then has ``left_out`` where it cannot be
    trained.
    """
    rows = []
    for window_s in windows_s:
        right: dict[str, list[list[int]]] = {}
        people = [SsvepParticipant(seed=seed) for seed in range(n_people)]
        for one in people:
            epochs = one.epochs(N_BLOCKS, window_s)
            for name, found in _rights(epochs, window_s, one.rate_hz).items():
                right.setdefault(name, []).append(found)
        for name, of_people in right.items():
            rows.append(_row(name, people[0], window_s, of_people))
            say(_said(rows[-1]))
    if network:
        people = [SsvepParticipant(seed=seed) for seed in range(n_people)]
        rows.append(_network_row(people))
        say(_said(rows[-1]))
    return {"n_people": n_people, "n_blocks": N_BLOCKS, "gaze_shift_s": GAZE_SHIFT_S, "rows": rows}


def _row(
    name: str, person: SsvepParticipant, window_s: float, of_people: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Sum up how many trials of each person's blocks were right."""
    n_targets = len(person.targets)
    decision_s = person.latency_s + window_s
    rates = [
        itr_bits_per_min(n_targets, found / n_targets, decision_s, gaze_shift_s=GAZE_SHIFT_S)
        for blocks in of_people
        for found in blocks
    ]
    right = [sum(blocks) for blocks in of_people]
    trials = [n_targets * len(blocks) for blocks in of_people]
    people = [str(seed) for seed in range(len(of_people))]
    by_person = [one / n for one, n in zip(right, trials, strict=True)]
    worst = int(np.argmin(by_person))
    return {
        "decoder": name,
        "window_s": window_s,
        "accuracy": sum(right) / sum(trials),
        "interval": ratio_interval(Clusters.by_name("people", people), right, trials),
        "worst": {"who": people[worst], "accuracy": by_person[worst]},
        "by_person": by_person,
        "n_trials": sum(trials),
        "itr_bits_per_min": float(np.mean(rates)),
    }


def _said(row: dict[str, Any]) -> str:
    begun = f"{row['window_s']:g} s  {row['decoder']:9}"
    if row["accuracy"] is None:
        return f"{begun} {row['left_out']}"
    return f"{begun} {row['accuracy']:.3f}  {row['itr_bits_per_min']:.0f} bits/min"


def _network_row(people: Sequence[SsvepParticipant]) -> dict[str, Any]:
    """Train both stages and score each person's last block; say why not where that cannot be."""
    try:
        from volition.models.training import ssvep_dnn
    except ModuleNotFoundError as error:
        left_out = f"needs the extra train: {error}"
        row = {"decoder": NETWORK, "window_s": NETWORK_WINDOW_S, "accuracy": None, "n_trials": 0}
        return row | {"left_out": left_out}
    settings = load_config("dnn-40").decoder
    assert isinstance(settings, DnnSettings)
    settings = settings.at(NETWORK_WINDOW_S)
    n_targets = len(settings.targets)

    def windows(one: SsvepParticipant) -> FloatArray:
        found = one.epochs(N_BLOCKS, NETWORK_WINDOW_S)
        return filtered_windows(settings, found.reshape(-1, *found.shape[2:]), one.rate_hz)

    def stage(n_passes: int, like: ssvep_dnn.TrainingStage) -> ssvep_dnn.TrainingStage:
        return ssvep_dnn.TrainingStage(n_passes, BATCH, like.dropout)

    known = np.tile(np.arange(n_targets), N_BLOCKS)
    seeds = range(FIRST_TEACHER, FIRST_TEACHER + N_TEACHERS)
    taught = np.concatenate([windows(SsvepParticipant(seed=seed)) for seed in seeds])
    bands, channels, samples = taught.shape[1:]
    shared = ssvep_dnn.network((bands, channels, samples), n_targets)
    first, second = stage(PASSES[0], ssvep_dnn.GLOBAL), stage(PASSES[1], ssvep_dnn.PERSONAL)
    ssvep_dnn.train(shared, taught, np.tile(known, N_TEACHERS), first, seed=0)
    right = []
    for number, one in enumerate(people):
        found = windows(one)
        own = ssvep_dnn.network((bands, channels, samples), n_targets)
        own.load_state_dict(shared.state_dict())
        ssvep_dnn.train(own, found[:-n_targets], known[:-n_targets], second, seed=1 + number)
        told = ssvep_dnn.scores(own, found[-n_targets:]).argmax(axis=1)
        right.append([int((told == known[-n_targets:]).sum())])
    return _row(NETWORK, people[0], NETWORK_WINDOW_S, right) | {"passes": list(PASSES)}


def _rights(epochs: FloatArray, window_s: float, rate_hz: float) -> dict[str, list[int]]:
    """Count what each decoder reads rightly in each block of (n_blocks, n_targets, ...) epochs."""
    n_blocks, n_targets = epochs.shape[:2]
    flat = epochs.reshape(-1, *epochs.shape[2:])
    wanted = np.arange(n_targets)
    plain = load_config("fbcca-40").decoder
    assert isinstance(plain, FbccaSettings)
    scores = FBCCA(plain.at(window_s), rate_hz).decision_function(flat)
    told = scores.argmax(axis=1).reshape(n_blocks, n_targets)
    found = {"FBCCA": (told == wanted).sum(axis=1).tolist()}
    for name, estimator, preset, changes in CALIBRATED:
        settings = load_config(preset).decoder
        assert isinstance(settings, TemplateSettings)
        one = estimator(settings.at(window_s).model_copy(update=changes), rate_hz)
        windows = filtered_windows(one.settings, flat, rate_hz)
        trials = windows.reshape(n_blocks, n_targets, *windows.shape[1:]).swapaxes(0, 1)
        found[name] = []
        for block in range(n_blocks):
            arrays = one.learned(np.delete(trials, block, axis=1))
            told = np.array([one.scores(arrays, window).argmax() for window in trials[:, block]])
            found[name].append(int((told == wanted).sum()))
    return found
