"""What a calibration of classes accepts, refuses, leaves out and says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.decoders.classes.people import BLANK, PERSON, calibrated, data_of, recorded
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.methods.csp import CspDecoder, CspSettings
from volition.decoders.classes.methods.fbcsp import FbcspDecoder, FbcspSettings
from volition.decoders.classes.methods.mdm import MdmDecoder, MdmSettings
from volition.decoders.classes.methods.tangent import TangentDecoder, TangentSettings
from volition.decoders.classes.report import chance_bound
from volition.decoders.fitting.calibration import CalibrationError, joined
from volition.streams.files.recording import Recording

ALL: list[tuple[type[ClassDecoder[Any]], Any]] = [
    (CspDecoder, CspSettings(delay_s=1.0)),
    (FbcspDecoder, FbcspSettings(delay_s=1.0)),
    (MdmDecoder, MdmSettings(delay_s=1.0)),
    (TangentDecoder, TangentSettings(delay_s=1.0)),
]
SETTINGS = TangentSettings(delay_s=1.0)


@pytest.fixture(scope="module")
def day() -> Recording:
    return recorded()


@pytest.mark.parametrize(("decoder", "settings"), ALL)
def test_a_person_who_imagines_is_told_well(decoder: Any, settings: Any, day: Recording) -> None:
    scores = calibrated(decoder, settings, data_of(day)).scores

    assert scores["accuracy"] >= 0.75
    assert scores["accuracy"] > scores["chance_bound"]
    assert scores["validation"] == "each block left out in turn"
    assert set(scores["per_class"]) == {"left", "right"}


def test_a_person_whose_imagery_does_not_show_is_refused() -> None:
    with pytest.raises(CalibrationError, match="guessing does as well") as refused:
        calibrated(TangentDecoder, SETTINGS, data_of(recorded(BLANK)))
    assert refused.value.fields["reason"] == "not-above-chance"


def test_the_chance_bound_of_sixty_trials_is_the_published_one() -> None:
    # Combrisson and Jerbi, J. Neurosci. Methods 250:126, 2015: about 60 % for two classes.
    assert chance_bound(60, 0.5) == pytest.approx(0.61, abs=0.011)


def test_flat_and_railed_electrodes_are_left_out_and_told(day: Recording) -> None:
    samples = day.samples.copy()
    samples[:, 10], samples[:, 11], samples[:, 12] = 0.0, 187500.0, np.nan
    damaged = calibrated(TangentDecoder, SETTINGS, data_of(replace(day, samples=samples)))

    assert damaged.scores["left_out"].keys() == {"T7", "T8", "Cz"}
    assert "missing" in damaged.scores["left_out"]["Cz"]
    assert damaged.model.facts["channels"] == list(PERSON.labels[:10])


def test_a_faulty_session_is_told_and_not_learned_from(day: Recording) -> None:
    sound = [data_of(day), data_of(recorded(day=0, seed=1))]
    faulty = replace(data_of(recorded(BLANK)), names=("bad",), faulty={0: "samples were lost"})

    with_it = calibrated(TangentDecoder, SETTINGS, joined([*sound, faulty]))
    without = calibrated(TangentDecoder, SETTINGS, joined(sound))

    assert with_it.scores["faulty"] == {"bad": "samples were lost"}
    assert with_it.model.version == without.model.version


def test_several_sessions_are_left_out_in_turn(day: Recording) -> None:
    both = joined([data_of(day), data_of(recorded(day=0, seed=1))])
    scores = calibrated(TangentDecoder, SETTINGS, both).scores

    assert scores["validation"] == "each session left out in turn"
    assert scores["controls"].keys() == {"eyes", "eye_course", "muscle"}
    assert len(scores["per_session"]) == 2


def test_eye_movement_towards_the_cue_is_told_where_it_would_do_as_well() -> None:
    restless = replace(PERSON, eyes_uv=400.0, labels=(*PERSON.labels, "F7", "F8"))
    controls = calibrated(TangentDecoder, SETTINGS, data_of(recorded(restless))).scores["controls"]

    assert controls["eye_course"]["as_well"]
    assert controls["eye_course"]["channels"] == ["F7", "F8"]
    assert not controls["muscle"]["as_well"]


def test_too_few_trials_of_a_class_are_refused_by_name(day: Recording) -> None:
    few = [one for one in day.events if one.data.get("class") != "left"]
    with pytest.raises(CalibrationError, match="left has 0"):
        calibrated(TangentDecoder, SETTINGS, data_of(replace(day, events=tuple(few))))


def test_trials_that_no_window_fits_are_refused(day: Recording) -> None:
    long = SETTINGS.model_copy(update={"window_s": 9.0})
    with pytest.raises(CalibrationError, match="no trial holds a whole window"):
        calibrated(TangentDecoder, long, data_of(day))
