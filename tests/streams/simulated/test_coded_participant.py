"""A simulated person before items that flash is shown plans, and plans that are given up."""

from __future__ import annotations

import numpy as np

from volition.streams.simulated.coded_participant import CodedParticipant

PERSON = CodedParticipant(seed=4, background_uv=0.1, alpha_uv=0.0, blinks_per_min=0.0)


def test_what_was_to_flash_later_can_be_left_out() -> None:
    told, quiet = PERSON.sit(), PERSON.sit()
    for sitting in (told, quiet):
        sitting.attend(0)
        sitting.flash([0], 20)
        sitting.take(0, 100)
    told.flash([0], 300)
    told.forget_to_come()

    np.testing.assert_array_equal(told.take(100, 600), quiet.take(100, 600))


def test_what_has_flashed_is_answered_though_the_rest_is_left_out() -> None:
    told, kept = PERSON.sit(), PERSON.sit()
    for sitting in (told, kept):
        sitting.attend(0)
        sitting.flash([0], 90)
        sitting.take(0, 100)
    told.forget_to_come()

    np.testing.assert_array_equal(told.take(100, 400), kept.take(100, 400))
