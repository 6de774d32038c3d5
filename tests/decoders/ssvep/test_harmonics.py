"""Harmonics that nobody asked for are as many as fit; those that were asked for must."""

from __future__ import annotations

import pytest

from volition.chunk import SignalSpec
from volition.decoders.ssvep.methods.fbcca import FbccaDecoder, FbccaSettings
from volition.errors import ConfigError


def settings(**changes: object) -> FbccaSettings:
    targets = [{"label": "a", "freq_hz": 9.5}, {"label": "b", "freq_hz": 23}]
    wanted = {"targets": targets, "window_s": 2.0, "n_subbands": 2, **changes}
    return FbccaSettings.model_validate(wanted)


@pytest.mark.parametrize(("rate_hz", "used"), [(1000, 5), (231, 5), (230, 4), (160, 3), (70, 1)])
def test_a_default_takes_as_many_as_lie_below_half_the_rate_and_says_so(
    rate_hz: float, used: int
) -> None:
    decoder = FbccaDecoder(settings(band_high_hz=24.0, band_low_hz=5.0, band_step_hz=1.0))
    decoder.prepare(SignalSpec(float(rate_hz), ("O1", "O2")))
    assert decoder.state()["n_harmonics"] == used


def test_a_number_that_was_given_is_refused_where_it_does_not_fit() -> None:
    for n_harmonics in (4, 5):
        with pytest.raises(ConfigError, match="n_harmonics may be at most 3"):
            settings(n_harmonics=n_harmonics).check(160.0, 2)


def test_what_was_left_out_is_still_left_out_when_the_settings_are_sent_on() -> None:
    again = FbccaSettings.model_validate_json(settings().model_dump_json())
    assert again.harmonics(160.0) == 3
