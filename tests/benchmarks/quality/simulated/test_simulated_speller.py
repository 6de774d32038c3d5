"""From a simulated participant's calibration to a session that reads their next sitting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.decoders.contract.intent import SelectionIntent
from volition.decoders.ssvep.methods.tdca import TDCA, TdcaSettings
from volition.service.sessions.config import SessionConfig, load_config
from volition.service.sessions.engine import run_offline
from volition.streams.simulated.ssvep_participant import SsvepParticipant, jfpm_targets

#: Every fourth of the speller's targets, so that one is 0.8 Hz or more from the next.
TARGETS = tuple(sorted(jfpm_targets(), key=lambda target: target.freq_hz)[::4])


def session(model: Path | None) -> SessionConfig:
    config = load_config("tdca-40").model_dump(mode="json")
    config["decoder"]["targets"] = [
        {"label": f"{target.freq_hz:g} Hz", "freq_hz": target.freq_hz} for target in TARGETS
    ]
    config["decoder"]["model"] = None if model is None else str(model)
    return SessionConfig.model_validate(config)


def accuracy(participant: SsvepParticipant, config: SessionConfig, sitting: int) -> float:
    """Give the share of trials of a sitting whose selection, live, is what was looked at."""
    asked = list(np.random.default_rng(sitting).permutation(len(TARGETS)))
    recording = participant.record(asked, trial_s=1.5, sitting=sitting)
    intents = list(run_offline(config, recording.spec, recording.chunks(16)))
    assert len(intents) == len(asked)
    pairs = zip(intents, asked, strict=True)
    return float(
        np.mean(
            [isinstance(one, SelectionIntent) and one.target == wanted for one, wanted in pairs]
        )
    )


@pytest.mark.parametrize("seed", [0, 3])
def test_a_calibrated_session_reads_the_participants_next_sitting(
    seed: int, tmp_path: Path
) -> None:
    participant = SsvepParticipant(seed=seed, targets=TARGETS)
    epochs = participant.epochs(5, 1.0)
    config = session(None)
    assert isinstance(config.decoder, TdcaSettings)
    model = TDCA(config.decoder, participant.rate_hz).fit(
        epochs.reshape(-1, *epochs.shape[2:]), np.tile(np.arange(len(TARGETS)), 5)
    )
    path = model.save(tmp_path / "participant")
    found = np.mean([accuracy(participant, session(path), sitting) for sitting in (1, 2, 3)])
    assert found >= 0.5  # of ten targets: chance is 0.1
    assert found == pytest.approx(model.facts["accuracy"], abs=0.2)  # what the fit had promised
    stranger = SsvepParticipant(seed=seed + 100, targets=TARGETS)
    assert accuracy(stranger, session(path), 1) < found
