"""How the models in ``models/fitted`` were made from the public data set.

    python -m volition.benchmarks.quality.making.package_models FLINT_RUN1 [FOLDER_TO_WRITE]

Each is the named preset's decoder, fitted on the rows that the data set's protocol gives for
learning.
"""

from __future__ import annotations

import sys
from pathlib import Path

from volition.benchmarks.quality.datasets import flint_run1
from volition.benchmarks.quality.evaluation.movement import fit
from volition.service.sessions.config import load_config

PRESETS = {
    "flint-run1-kalman": "kalman-velocity",
    "flint-run1-mk-dkf": "mk-dkf",
    "flint-run1-wiener": "wiener",
}
"""Preset of each packaged model, by the model's name."""


def package(root: Path, folder: Path) -> list[Path]:
    """Fit and write every packaged model; give the paths."""
    data = flint_run1.load(root)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        fit(load_config(preset), data).save(folder / f"{name}.npz")
        for name, preset in PRESETS.items()
    ]


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[3] / "models" / "fitted"
    package(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else default)
