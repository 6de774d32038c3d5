"""Learning the front end that needs no calibration, and judging it on people it has not seen.

The shipped model is learned from every person of ``ssvep_exo``. To score it on the same data would
be to ask it what it was told: `without_each` learns one model for each person, from all the others
and from nobody else, with the same code and settings, and the score uses that one. All recordings
of a person are left out together, so no window of a trial is ever on both sides. Other people are
scored by what ships; who is who, `volition.benchmarks.quality.learning.protocols` tells.

    python -m volition.benchmarks.quality.learning.pretraining ROOT ssvep-pretrained.npz
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.trials import TrialRecording
from volition.benchmarks.quality.datasets import ssvep_exo
from volition.benchmarks.quality.learning.protocols import (
    Assigned,
    Judged,
    Protocol,
    assigned,
    check_enough,
    people_file,
    people_of,
)
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.transfer.pretrained import PretrainedSettings
from volition.decoders.ssvep.transfer.pretraining import TrainingWindows, collect, learn
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig, load_config

KIND = "ssvep_pretrained"
#: Onset to the start of further windows that are learned from, in seconds.
MORE_DELAYS_S = (0.5, 1.5, 2.25, 3.0)
#: Lengths of windows that the shipped model is learned for.
WINDOWS_S = (1.0, 1.5, 2.0, 2.5, 3.0)

#: Windows by person.
People = dict[str, TrainingWindows]


@contextlib.contextmanager
def for_each(
    recordings: Iterable[TrialRecording], config: SessionConfig, wanted: Protocol | None = None
) -> Iterator[Iterator[Judged]]:
    """Give each recording with the session to score it by, for as long as the block lasts.

    It is ``config`` itself, unless the decoder is one that these very people trained: then its
    model is the one of `without_each`. See `volition.benchmarks.quality.learning.protocols`.
    """
    settings = config.decoder
    if not isinstance(settings, PretrainedSettings) or not people_of(str(settings.model)):
        has_model = getattr(settings, "model", None) is not None
        said = "the session's fitted model, as it is" if has_model else "no training"
        yield (Judged(one, config, said) for one in recordings)
        return
    known, learned = assigned(list(recordings), str(settings.model), wanted)
    models = without_each(learned, config) if learned else {}
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for person, model in models.items():
            path = model.save(Path(folder) / f"without-{person}")
            decoder = settings.model_copy(update={"model": str(path)})
            sessions[person] = config.model_copy(update={"decoder": decoder})
        yield (_judged(one, config, sessions) for one in known)


def _judged(one: Assigned, config: SessionConfig, without: Mapping[int, SessionConfig]) -> Judged:
    session: SessionConfig | None = config
    if one.refused:
        session = None
    elif one.refit:
        assert one.one.person is not None
        session = without[one.one.person]
    return Judged(one.one, session, one.protocol, one.refused)


def without_each(
    recordings: Sequence[TrialRecording], config: SessionConfig
) -> dict[int, FittedModel]:
    """Learn a model for each person from all the others.

    Raises
    ------
    ConfigError
        The names of the recordings do not tell at least three people apart.
    """
    check_enough(recordings)
    by_length = collect_lengths(recordings, config, settings_of(config).looks_s())
    people = next(iter(by_length.values()))
    return {
        int(name): made(
            {
                length_ms: {other: found[other] for other in found if other != name}
                for length_ms, found in by_length.items()
            },
            n_channels_of(recordings[0], config),
        )
        for name in people
    }


def collect_lengths(
    recordings: Sequence[TrialRecording], config: SessionConfig, lengths_s: Sequence[float]
) -> dict[int, People]:
    """Measure the windows of each person for each length, which is given in milliseconds."""
    by_length = {}
    for length_s in lengths_s:
        decoder = settings_of(config).at(length_s)
        session = config.model_copy(update={"decoder": decoder})
        by_length[round(1000 * length_s)] = collect_people(recordings, session)
    return by_length


def collect_people(recordings: Iterable[TrialRecording], config: SessionConfig) -> People:
    """Measure the windows of each person's recordings, as the session's decoder would."""
    settings = settings_of(config)
    numbers = {target.freq_hz: number for number, target in enumerate(settings.targets)}
    parts: dict[str, list[TrainingWindows]] = {}
    for one in recordings:
        last_start_s = one.trial_s - settings.window_s
        trials = [(trial.onset, numbers.get(trial.freq_hz, REST)) for trial in one.trials]
        delays_s = [delay_s for delay_s in MORE_DELAYS_S if delay_s <= last_start_s]
        cleaner = config.build_cleaner(one.recording.spec)
        # A decoder that has forgotten the signal has forgotten the trials that began in it too.
        for stretch in cleaner.stretches(one.recording.samples, one.recording.times):
            known = [trial for trial in trials if trial[0] >= stretch.times[0]]
            windows = collect(settings, cleaner.spec, [stretch], known, delays_s)
            parts.setdefault(str(one.person), []).append(windows)
    return {name: TrainingWindows.joined(found) for name, found in parts.items()}


def made(by_length_ms: Mapping[int, People], n_channels: int) -> FittedModel:
    """Learn a model for windows of each length from these people."""
    arrays = {
        f"{length_ms}ms/{name}": np.asarray(array)
        for length_ms, people in by_length_ms.items()
        for name, array in learn(people, length_ms / 1000).items()
    }
    names = sorted({name for found in by_length_ms.values() for name in found}, key=int)
    return FittedModel(KIND, arrays, {"n_channels": n_channels, "people": names})


def train(recordings: Sequence[TrialRecording], config: SessionConfig) -> FittedModel:
    """Learn from every person, for windows of each length that ships."""
    by_length = collect_lengths(recordings, config, WINDOWS_S)
    return made(by_length, n_channels_of(recordings[0], config))


def settings_of(config: SessionConfig) -> PretrainedSettings:
    """Give the decoder's settings; raise `ConfigError` when it is another decoder."""
    if not isinstance(config.decoder, PretrainedSettings):
        raise ConfigError(
            f"the session's decoder is {config.decoder.kind!r}; it must be {KIND!r}",
            found=config.decoder.kind,
        )
    return config.decoder


def n_channels_of(one: TrialRecording, config: SessionConfig) -> int:
    """Give how many channels the session's decoder sees of a recording."""
    return config.build_cleaner(one.recording.spec).spec.n_channels


if __name__ == "__main__":
    session, path = load_config("ssvep-pretrained"), Path(sys.argv[2])
    everybody = list(ssvep_exo.load(Path(sys.argv[1])))
    train(everybody, session).save(path)
    path.with_suffix(".people.json").write_text(people_file(everybody), "utf-8")
