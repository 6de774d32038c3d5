"""Which markers begin which trials."""

from __future__ import annotations

import pytest

from volition.chunk import Event
from volition.streams.files.trial_mapping import TrialMapping


@pytest.mark.parametrize(
    ("targets", "marker", "target"),
    [
        ({"1": "idle", "2": "left"}, "2.000000000000000", "left"),
        ({"769": "left", "770": "right"}, "770", "right"),
        ({"T1": "left fist"}, "T1", "left fist"),
        ({"switch,3,<label>,2": "<label>"}, "switch,3,snap,2", "snap"),
        ({"switch,3,<label>,2": "<label>"}, "switch,4,snap,2", None),
        ({"S  <label>": "class <label>"}, "S  12", "class 12"),
        ({"2": "left"}, "20", None),
    ],
)
def test_a_marker_names_its_target(
    targets: dict[str, str], marker: str, target: str | None
) -> None:
    assert TrialMapping(targets=targets).target_of(marker) == target


def test_named_events_keep_the_others_and_end_each_trial() -> None:
    mapping = TrialMapping(targets={"1": "left"}, trial_s=2.0)
    found = mapping.named([Event(5.0, "1"), Event(6.0, "beep"), Event(9.0, "1")])

    assert [(one.time, one.name) for one in found] == [
        (5.0, "trial_start"),
        (6.0, "beep"),
        (7.0, "trial_end"),
        (9.0, "trial_start"),
        (11.0, "trial_end"),
    ]
    assert found[0].data == {"target": "left"}


@pytest.mark.parametrize("key", [1, 1.0, "1", "1.000"])
def test_a_marker_that_is_a_number_need_not_be_quoted(key: object) -> None:
    mapping = TrialMapping.model_validate({"targets": {key: "left"}})
    (trial,) = mapping.named([Event(2.0, "1")])
    assert trial.data["target"] == "left"


def test_a_marker_that_was_read_as_a_truth_value_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="quote it"):
        TrialMapping.model_validate({"targets": {True: "left"}})
    with pytest.raises(ValueError, match="quote it"):
        TrialMapping.model_validate({"positions": {False: [1.0, 0.0]}})
