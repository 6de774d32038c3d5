from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.errors import ConfigError
from volition.streams.signal import channel_selection

LABELS = ("Oz", "O1", "O2")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("microvolts", 1.0),
        ("microvolt", 1.0),
        ("uV", 1.0),
        ("UV", 1.0),
        ("\N{MICRO SIGN}V", 1.0),
        ("\N{GREEK SMALL LETTER MU}V", 1.0),
        (" uV ", 1.0),
        ("-6", 1.0),
        ("mV", 1e3),
        ("millivolts", 1e3),
        ("V", 1e6),
        ("Volts", 1e6),
        ("\N{REPLACEMENT CHARACTER}V", 1.0),
        ("nV", 1e-3),
        ("0", 1e6),
        ("-3", 1e3),
        ("-9", 1e-3),
        ("uVolt", 1.0),
        ("\N{MICRO SIGN}Volts", 1.0),
        ("mVolt", 1e3),
        ("nanovolt", 1e-3),
        ("micro volts", 1.0),
        ("[uV]", 1.0),
        ("milli-volt", 1e3),
        ("mm", None),
        ("-5", None),
        ("mV/s", None),
        ("fT", None),
        ("", None),
        ("s", None),
    ],
)
def test_a_unit_of_voltage_is_known_however_it_is_written(unit: str, factor: float | None) -> None:
    assert channel_selection.microvolts_per_unit(unit) == factor


def test_channels_that_are_picked_come_in_the_order_asked_for() -> None:
    plan = channel_selection.plan(
        n_channels=3,
        rate_hz=256.0,
        labels=LABELS,
        units=("uV", "mV", "V"),
        kinds=("EEG", "EOG", "AUX"),
        channels=["O2", "Oz"],
    )

    assert plan.spec.labels == ("O2", "Oz")
    assert plan.spec.kinds == ("AUX", "EEG")
    assert plan.spec.units == ("microvolts", "microvolts")
    assert plan.warnings == ()
    np.testing.assert_array_equal(plan.apply(np.array([[1.0, 2.0, 3.0]])), [[3e6, 1.0]])


def test_a_stream_that_is_used_as_it_comes_is_not_copied() -> None:
    plan = channel_selection.plan(n_channels=3, rate_hz=256.0, labels=LABELS, units=("uV",) * 3)
    samples = np.ones((4, 3))

    assert plan.takes_all
    assert plan.scale is None
    assert plan.apply(samples) is samples


def test_channels_without_names_are_counted_and_a_warning_says_so() -> None:
    plan = channel_selection.plan(n_channels=3, rate_hz=256.0, units=("uV",) * 3)

    assert plan.spec.labels == ("1", "2", "3")
    assert plan.warnings == ("the stream names no channels; they are called 1 to 3",)


def test_labels_that_do_not_fit_the_number_of_channels_are_not_guessed_at() -> None:
    plan = channel_selection.plan(
        n_channels=3, rate_hz=256.0, labels=("Oz", "O1"), units=("uV",) * 3
    )

    assert plan.spec.labels == ("1", "2", "3")
    assert "describes 2 channels but has 3" in plan.warnings[0]


def test_a_label_that_occurs_twice_is_made_unique_and_a_warning_says_so() -> None:
    plan = channel_selection.plan(
        n_channels=4, rate_hz=256.0, labels=("Oz", "Oz", "Oz-2", ""), units=("uV",) * 4
    )

    assert plan.spec.labels == ("Oz", "Oz-3", "Oz-2", "4")
    assert plan.warnings == ("label 'Oz' occurs again; this one is called 'Oz-3'",)


@given(st.lists(st.sampled_from(["", "a", "a-2", "a-3", "1", "2", " a"]), min_size=1))
def test_labels_come_out_unique_whatever_comes_in(labels: list[str]) -> None:
    plan = channel_selection.plan(n_channels=len(labels), rate_hz=1.0, labels=labels)

    assert len(set(plan.spec.labels)) == len(labels)


def test_a_label_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no channel 'Cz'; found: Oz, O1, O2") as caught:
        channel_selection.plan(n_channels=3, rate_hz=256.0, labels=LABELS, channels=["Oz", "Cz"])

    assert caught.value.fields["missing"] == ["Cz"]


def test_a_channel_asked_for_twice_is_an_error() -> None:
    with pytest.raises(ConfigError, match="Oz is asked for more than once"):
        channel_selection.plan(n_channels=3, rate_hz=256.0, labels=LABELS, channels=["Oz", "Oz"])


def test_a_missing_unit_is_taken_as_microvolts_and_never_in_silence() -> None:
    plan = channel_selection.plan(n_channels=3, rate_hz=256.0, labels=LABELS)

    assert plan.scale is None
    assert plan.spec.units == ("microvolts",) * 3
    assert plan.warnings == ("Oz, O1, O2: no unit is given; the samples are taken as microvolts",)


def test_an_unknown_unit_stays_what_it_is_and_never_in_silence() -> None:
    plan = channel_selection.plan(
        n_channels=3, rate_hz=256.0, labels=LABELS, units=("uV", "uV", "fathom")
    )

    assert plan.spec.units == ("microvolts", "microvolts", "fathom")
    assert plan.scale is None
    assert plan.warnings[0].startswith("O2: unit 'fathom', which is no voltage we know")


def test_units_given_by_the_user_win_over_what_the_stream_says() -> None:
    plan = channel_selection.plan(
        n_channels=3, rate_hz=256.0, labels=LABELS, units=("V",) * 3, override_units="nV"
    )

    np.testing.assert_array_equal(plan.apply(np.full((1, 3), 1000.0)), np.ones((1, 3)))
    assert plan.warnings == ()


def test_units_given_by_the_user_must_be_a_voltage() -> None:
    with pytest.raises(ConfigError, match="units 'furlong' are no voltage; allowed: microvolts"):
        channel_selection.plan(n_channels=1, rate_hz=1.0, override_units="furlong")


EEG = ("Fz", "Cz", "Pz")


@pytest.mark.parametrize(
    ("label", "unit", "kind"),
    [
        ("ACC X", "g", "ACC"),
        ("Gyro_Y", "", "EEG"),
        ("BAT", "%", "BAT"),
        ("CNT", "", ""),
        ("SampleCounter", "", "EEG"),
        ("VALID", "", "VALID"),
        ("Timestamp", "seconds", "EEG"),
        ("TRG", "microvolts", "EEG"),
        ("STI 014", "", ""),
        ("HardwareMarker", "", "EEG"),
        ("anything", "deg/s", "EEG"),
        ("anything", "", "misc"),
        ("Fz", "kOhm", "EEG"),
        ("Fz_imp", "", ""),
        ("anything", "[k\u2126]", ""),
        ("anything", "", "Impedance"),
        ("Pulse", "uV", "ECG"),
        ("X1", "uV", "AUX"),
    ],
)
def test_what_is_no_eeg_is_left_out_with_a_warning_unless_it_is_asked_for(
    label: str, unit: str, kind: str
) -> None:
    stream = {
        "n_channels": 4,
        "rate_hz": 250.0,
        "labels": (*EEG, label),
        "units": ("uV", "uV", "uV", unit),
        "kinds": ("EEG", "EEG", "EEG", kind),
    }
    plan = channel_selection.plan(**stream)  # type: ignore[arg-type]  # one call for both
    assert plan.spec.labels == EEG
    assert label in plan.warnings[-1]
    assert "left out" in plan.warnings[-1]
    asked = channel_selection.plan(**stream, channels=["Cz", label])  # type: ignore[arg-type]
    assert asked.spec.labels == ("Cz", label)


def test_a_stream_of_nothing_else_is_used_as_it_is() -> None:
    plan = channel_selection.plan(
        n_channels=3, rate_hz=52.0, labels=("X", "Y", "Z"), units=("g",) * 3, kinds=("ACC",) * 3
    )
    assert plan.takes_all


@pytest.mark.parametrize("label", ["Fp1", "A1", "M1", "T7", "EOG", "EMG1", "Trap", "Stern", "Gz"])
def test_electrodes_stay_whatever_they_are_called(label: str) -> None:
    assert not channel_selection.is_other(label, "uV", "EEG")
