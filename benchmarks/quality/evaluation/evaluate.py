"""Score a session's pipeline on a data set, through the very path that live samples take.

What is scored, and how, hangs on what kind of data set it is: see
`volition.benchmarks.quality.contract`. Which data sets there are is asked of what is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from volition.benchmarks.quality.contract.classes import ClassDataset
from volition.benchmarks.quality.contract.coded import CodedDataset
from volition.benchmarks.quality.contract.contamination import ContaminatedDataset
from volition.benchmarks.quality.contract.dataset import SelfScored, named
from volition.benchmarks.quality.contract.denoising import DenoisingDataset
from volition.benchmarks.quality.contract.movement import MovementDataset
from volition.benchmarks.quality.contract.trials import TrialDataset
from volition.benchmarks.quality.evaluation.classes import evaluate_classes
from volition.benchmarks.quality.evaluation.coded import evaluate_coded
from volition.benchmarks.quality.evaluation.contamination import evaluate_contamination
from volition.benchmarks.quality.evaluation.denoising import evaluate_denoising
from volition.benchmarks.quality.evaluation.movement import evaluate_movement
from volition.benchmarks.quality.evaluation.selection import evaluate_selection
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig


def evaluate(
    name: str,
    root: Path,
    config: SessionConfig,
    *,
    idle_sweep: bool = False,
    protocol: str | None = None,
    train: int = 4,
    keep_faulty: bool = False,
) -> dict[str, Any]:
    """Score ``config`` on a data set, by the data set's protocol.

    Parameters
    ----------
    name
        Name of an installed data set.
    root
        Folder that holds it.
    config
        The session whose pipeline is scored.
    idle_sweep
        Score it at other thresholds of idle too, where the protocol watches people at rest; see
        `volition.benchmarks.quality.evaluation.idle`.
    protocol
        By what a decoder that other people trained is scored (see `evaluate_selection`), or how
        sessions are left out of one of classes (see `evaluate_classes`).
    train, keep_faulty
        For decoders of classes; see `evaluate_classes`.

    Returns
    -------
    dict
        ``dataset``, its name, and the figures of the protocol: `evaluate_selection`,
        `evaluate_movement`, `evaluate_denoising`, `evaluate_contamination`, `evaluate_coded` or
        the data set's own.

    Raises
    ------
    ConfigError
        No such data set is installed, or the session cannot be scored on it.
    RecordingError
        The folder does not hold the data set.
    """
    match named(name):
        case TrialDataset() as dataset:
            return evaluate_selection(
                dataset, root, config, idle_sweep=idle_sweep, protocol=protocol
            )
        case MovementDataset() as dataset:
            return evaluate_movement(dataset, root, config)
        case DenoisingDataset() as dataset:
            return evaluate_denoising(dataset, root, config)
        case ContaminatedDataset() as dataset:
            return evaluate_contamination(dataset, root, config)
        case CodedDataset() as dataset:
            return evaluate_coded(dataset, root, config)
        case ClassDataset() as dataset:
            return evaluate_classes(
                dataset, root, config, protocol=protocol, train=train, keep_faulty=keep_faulty
            )
        case SelfScored() as dataset:
            return dataset.evaluate(root, config, idle_sweep=idle_sweep, protocol=protocol)
        case _:
            raise ConfigError(
                f"data set {name!r} does not say how a session is scored on it: it must be one of "
                "the kinds of volition.benchmarks.quality.contract"
            )
