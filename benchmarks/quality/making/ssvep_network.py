"""The two-stage network from end to end, on simulated participants: train, export, run, score.

Each participant sits for six blocks of all targets. Stage one learns from the first five of
everyone, stage two goes on with the first participant's; the sixth is decoded, by the exported file
as a session would run it. It needs the extra ``train``.

    python -m volition.benchmarks.quality.making.ssvep_network FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.environment import environment
from volition.chunk import FloatArray
from volition.decoders.fitting.metrics import accuracy_interval
from volition.decoders.fitting.network import Network, save_network
from volition.decoders.ssvep.estimator import filtered_windows
from volition.decoders.ssvep.methods.dnn import DNN, DnnSettings
from volition.streams.simulated.ssvep_participant import SsvepParticipant, jfpm_targets

N_BLOCKS = 6


def settings_for(window_s: float) -> DnnSettings:
    """Give the decoder's settings for the speller of forty targets."""
    targets = [
        {"label": f"{flicker.freq_hz:g} Hz", "freq_hz": flicker.freq_hz}
        for flicker in jfpm_targets()
    ]
    return DnnSettings.model_validate({"targets": targets, "window_s": window_s})


def run(
    folder: Path, *, window_s: float, n_people: int, passes: tuple[int, int], batch: int
) -> dict[str, Any]:
    """Train, export into ``folder`` and score; give the figures.

    Parameters
    ----------
    passes
        Over the trials, in stage one and two; the paper's 1000 take hours without a GPU.
    batch
        Trials in a step of either stage; smaller than the paper's, to make up for fewer passes.
    """
    from volition.models.training import ssvep_dnn

    settings = settings_for(window_s)
    n_targets = len(settings.targets)
    people = [SsvepParticipant(seed=seed) for seed in range(n_people)]
    epochs = [one.epochs(N_BLOCKS, window_s) for one in people]
    rate_hz, n_learned = people[0].rate_hz, (N_BLOCKS - 1) * n_targets
    targets = np.tile(np.arange(n_targets), N_BLOCKS)

    def windows(found: FloatArray) -> FloatArray:
        flat = found.reshape(-1, *found.shape[2:])
        return filtered_windows(settings, flat, rate_hz)

    known = [(windows(found)[:n_learned], targets[:n_learned]) for found in epochs]
    stages = (
        ssvep_dnn.TrainingStage(passes[0], batch, ssvep_dnn.GLOBAL.dropout),
        ssvep_dnn.TrainingStage(passes[1], batch, ssvep_dnn.PERSONAL.dropout),
    )
    began = time.perf_counter()
    shared, own = ssvep_dnn.two_stages(known, known[0], n_targets, stages=stages)
    took_s = time.perf_counter() - began
    left_out, wanted = epochs[0][-1], targets[n_learned:]
    scores = {}
    for name, layers in (("shared", shared), ("own", own)):
        manifest, content = ssvep_dnn.exported(
            layers,
            settings,
            rate_hz,
            left_out.shape[1],
            name=f"ssvep-dnn-{name}",
            trained_on=f"{n_people} simulated participants",
            licence="Apache-2.0",
        )
        save_network(folder, manifest, content)
        decoder = DNN(settings, rate_hz, Network(manifest, content))
        ours = decoder.decision_function(left_out)
        theirs = ssvep_dnn.scores(layers, windows(left_out[None]))
        right = int((ours.argmax(axis=1) == wanted).sum())
        scores[name] = {
            "accuracy": right / len(wanted),
            "interval": accuracy_interval(right, len(wanted)),
            "from_torch": float(np.abs(ours - theirs).max()),
        }
    return {"window_s": window_s, "n_people": n_people, "passes": passes, "batch": batch} | {
        "took_s": took_s,
        "scores": scores,
        "environment": environment(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window-s", type=float, default=0.5)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--passes", type=int, nargs=2, default=(60, 150))
    parser.add_argument("--batch", type=int, default=20)
    asked = parser.parse_args()
    result = run(
        asked.folder,
        window_s=asked.window_s,
        n_people=asked.people,
        passes=tuple(asked.passes),
        batch=asked.batch,
    )
    print(json.dumps(result))  # noqa: T201 - what it was asked for
