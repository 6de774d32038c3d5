"""Streaming networks on recorded movements, from end to end: train, export, run, score.

    python -m volition.benchmarks.quality.making.movement_networks DATASET ROOT FOLDER --kind gru

The rows that the data set's protocol gives for learning train the network, and choose among its
passes; the tests are decoded by the exported file through the engine, as `evaluate` does. It needs
the extra ``train``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from volition.benchmarks.quality.contract.dataset import named
from volition.benchmarks.quality.contract.movement import MovementDataset
from volition.benchmarks.quality.evaluation.movement import evaluate_movement
from volition.decoders.fitting.network import save_network
from volition.errors import ConfigError
from volition.service.sessions.config import parse_config


def run(
    dataset: MovementDataset, root: Path, folder: Path, kind: str, seed: int, **changes: Any
) -> dict[str, Any]:
    """Train, export into ``folder`` and score; give the figures."""
    from volition.models.training import movement

    data = dataset.load(root)
    start = time.perf_counter()
    network, covariance, nrmse = movement.train(
        "snn" if kind == "snn" else "gru",
        data.features[data.train],
        data.velocities[data.train],
        None if data.trials is None else data.trials[data.train],
        movement.Training(**changes),
        seed=seed,
    )
    took_s = time.perf_counter() - start
    manifest, content = movement.exported(
        network,
        name=f"{dataset.name.replace('_', '-')}-{kind}",
        bin_s=data.bin_s,
        error_covariance=covariance,
        trained_on=f"{dataset.name}, rows {data.train.start + 1}-{data.train.stop}",
        licence=dataset.licence,
        scores={"nrmse_of_held_out_training_rows": round(nrmse, 4)},
    )
    path = save_network(folder, manifest, content)
    config = parse_config(
        {
            "stream": {"type": "Features"},
            "decoder": {
                "kind": "recurrent",
                "network": str(path.with_suffix("")),
                "reset_markers": ["trial_start"],
            },
        }
    )
    scores = evaluate_movement(dataset, root, config)
    return {"train_s": round(took_s, 1), "chosen_by": nrmse, **scores}


def _movement(name: str) -> MovementDataset:
    dataset = named(name)
    if not isinstance(dataset, MovementDataset):
        raise ConfigError(f"{name} holds no movement", found=name)
    return dataset


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("root", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=("gru", "snn"), default="gru")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--units", type=int, default=64)
    chosen = parser.parse_args()
    found = run(
        _movement(chosen.dataset),
        chosen.root,
        chosen.folder,
        chosen.kind,
        chosen.seed,
        n_epochs=chosen.epochs,
        n_units=chosen.units,
    )
    print(json.dumps(found))  # noqa: T201 - the figures are what it is run for
