from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from volition.errors import ConfigError
from volition.service.sessions.config import load_config, parse_config

TARGETS = [{"label": "a", "freq_hz": 8.0}, {"label": "b", "freq_hz": 9.0}]


def session(stream: dict[str, Any], targets: Any = TARGETS) -> dict[str, Any]:
    return {"stream": stream, "decoder": {"kind": "cca", "targets": targets}}


def test_a_key_that_stands_twice_is_an_error_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\nstream: {type: EEG}\nmarkers: {type: M}\n"
        "decoder: {kind: cca, targets: [{label: a, freq_hz: 8}, {label: b, freq_hz: 9}]}\n"
        "markers: {type: N}\n"
    )
    with pytest.raises(ConfigError, match="markers stands twice, in line 3 and in line 5"):
        load_config(path)


def test_merged_keys_of_yaml_are_no_repetition(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "stream: &base {type: EEG, wait_s: 5}\nmarkers: {<<: *base, type: Markers}\n"
        "decoder: {kind: cca, targets: [{label: a, freq_hz: 8}, {label: b, freq_hz: 9}]}\n"
    )
    markers = load_config(path).markers
    assert markers is not None
    assert (markers.type, markers.wait_s) == ("Markers", 5)


def test_numbers_are_taken_for_labels() -> None:
    assert parse_config(session({"channels": [1, 2, "Oz"]})).stream.channels == ["1", "2", "Oz"]


def test_what_yaml_makes_of_a_word_is_told_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="quotes"):
        parse_config(session({"channels": [True, "Oz"]}))
    targets = [{"label": True, "freq_hz": 8.0}, {"label": "b", "freq_hz": 9.0}]
    with pytest.raises(ConfigError, match=r"truth value.*quotes"):
        parse_config(session({"type": "EEG"}, targets))


@pytest.mark.parametrize("key", ["host", "uid", "name", "source_id"])
def test_any_key_alone_chooses_a_stream(key: str) -> None:
    stream = parse_config(session({"type": None, key: "x"})).stream
    assert stream.wanted() == {key: "x"}


def test_a_selector_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one of name, type, source_id, host, uid"):
        parse_config(session({"type": None}))


def test_settings_that_contradict_each_other_are_named_by_their_place_alone() -> None:
    wrong = {
        **session({"type": "EEG"}),
        "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 3}],
    }
    with pytest.raises(ConfigError, match="must be below") as error:
        parse_config(wrong)
    (found,) = error.value.fields["errors"]
    assert found["path"] == "stages[0]"


def test_an_unknown_key_that_is_called_like_a_kind_is_named() -> None:
    wrong = session({"type": "EEG"})
    wrong["decoder"]["fbcca"] = 1
    with pytest.raises(ConfigError, match="unknown key") as error:
        parse_config({**wrong, "gate": 1})
    assert {one["path"] for one in error.value.fields["errors"]} == {"decoder.fbcca", "gate"}
