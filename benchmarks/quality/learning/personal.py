"""Learning the weights that a personal calibration starts from, from people calibrated alike.

Each recording is read by what its own person's calibration gives (the protocol of `cut_trials`,
beside this), and the weights are learned from the windows that were not calibrated on. A person who
is scored has taught nothing: `without_each` learns weights for each from all others.

    python -m volition.benchmarks.quality.learning.personal ROOT models/fitted/ssvep-personal.npz
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.trials import TrialDataset, TrialRecording
from volition.benchmarks.quality.datasets import ssvep_exo
from volition.benchmarks.quality.learning.cut_trials import CutTrials, joined, known_of
from volition.benchmarks.quality.learning.pretraining import MORE_DELAYS_S, People, n_channels_of
from volition.benchmarks.quality.learning.protocols import check_enough, people_file
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.ssvep.estimator import filtered_windows
from volition.decoders.ssvep.transfer.personal import PERSONAL, WINDOWS_S, PersonalSettings, lead
from volition.decoders.ssvep.transfer.pretraining import TrainingWindows, learn
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig, load_config


def without_each(
    dataset: TrialDataset, recordings: Sequence[TrialRecording], config: SessionConfig
) -> dict[int | None, FittedModel]:
    """Learn weights for each person from all the others.

    Raises
    ------
    ConfigError
        The names of the recordings do not tell at least three people apart.
    """
    check_enough(recordings)
    people = sorted({one.person for one in recordings if one.person is not None})
    lengths_s = settings_of(config).looks_s()
    by_length = {
        length_s: collected(dataset, recordings, config, length_s) for length_s in lengths_s
    }
    return {
        person: made(
            {
                length_s: {name: found[name] for name in found if name != str(person)}
                for length_s, found in by_length.items()
            },
            n_channels_of(recordings[0], config),
        )
        for person in people
    }


def collected(
    dataset: TrialDataset,
    recordings: Sequence[TrialRecording],
    config: SessionConfig,
    window_s: float,
) -> People:
    """Measure each person's windows by their own calibration, those calibrated on left out."""
    settings = settings_of(config).at(window_s)
    delays_s = [settings.delay_s]
    delays_s += [s for s in MORE_DELAYS_S if s <= recordings[0].trial_s - window_s]
    session = config.model_copy(update={"decoder": settings})
    cut = [CutTrials.of_each(one, session, delays_s) for one in recordings]
    parts: dict[str, list[TrainingWindows]] = {}
    counted = [found[0] for found in cut]
    for number, one in enumerate(recordings):
        known, n_first = known_of(dataset, recordings, counted, number)
        estimator = PERSONAL(settings, counted[number].rate_hz)
        epochs, targets, _ = joined(known)
        arrays = estimator.learned_alone(estimator.by_target(epochs, targets))
        for place, found in enumerate(cut[number]):
            windows = filtered_windows(settings, found.epochs[n_first:], found.rate_hz)
            whole = np.isfinite(windows).all(axis=(1, 2, 3))
            rows = [estimator.measure(arrays, window) for window in windows[whole]]
            at = np.array([row[0] for row in rows])
            parts.setdefault(str(one.person), []).append(
                TrainingWindows(
                    at,
                    np.array([row[1] for row in rows]),
                    np.broadcast_to(arrays["centre"], at.shape),
                    found.targets[n_first:][whole],
                    np.full(len(rows), place == 0),
                )
            )
    return {name: TrainingWindows.joined(found) for name, found in parts.items()}


def made(by_length_s: Mapping[float, People], n_channels: int) -> FittedModel:
    """Learn weights for windows of each length from these people."""
    people = next(iter(by_length_s.values()))
    n_bands = next(iter(people.values())).at.shape[2] // 2
    arrays = {
        f"{round(1000 * length_s)}ms/{name}": np.asarray(array)
        for length_s, found in by_length_s.items()
        for name, array in learn(found, length_s, lead=lead(n_bands)).items()
    }
    facts = {"n_channels": n_channels, "people": sorted(people, key=int)}
    return FittedModel("ssvep_personal", arrays, facts)


def train(recordings: Sequence[TrialRecording], config: SessionConfig) -> FittedModel:
    """Learn from every person of ``ssvep_exo``, for windows of each length that ships."""
    by_length = {
        length_s: collected(ssvep_exo.DATASET, recordings, config, length_s)
        for length_s in WINDOWS_S
    }
    return made(by_length, n_channels_of(recordings[0], config))


def settings_of(config: SessionConfig) -> PersonalSettings:
    """Give the decoder's settings; raise `ConfigError` when it is another decoder."""
    if not isinstance(config.decoder, PersonalSettings):
        raise ConfigError(
            f"the session's decoder is {config.decoder.kind!r}; it must be 'ssvep_personal'",
            found=config.decoder.kind,
        )
    return config.decoder


if __name__ == "__main__":
    session, path = load_config("ssvep-personal"), Path(sys.argv[2])
    everybody = list(ssvep_exo.load(Path(sys.argv[1])))
    train(everybody, session).save(path)
    path.with_suffix(".people.json").write_text(people_file(everybody), "utf-8")
