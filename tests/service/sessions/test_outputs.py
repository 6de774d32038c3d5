"""What a configuration's ``outputs`` may say, as a list and in the form that it had before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig, parse_config
from volition.service.sessions.outputs import outputs

DATA: dict[str, Any] = {
    "stream": {"source_id": "exo"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "slow", "freq_hz": 9}, {"label": "fast", "freq_hz": 12}],
    },
}
PLUGIN = """
from typing import Literal
from volition.service.sessions.outputs import Output, OutputSettings

class LampSettings(OutputSettings):
    kind: Literal["{kind}"] = "{kind}"
    port: int = 1

class Lamp(Output[LampSettings]):
    settings_model = LampSettings
    def open(self, context): ...
    def intent(self, encoded, intent): ...
    def close(self, timeout_s): ...
"""


def config(outputs: Any) -> SessionConfig:
    return parse_config({**DATA, "outputs": outputs})


def kinds(of: SessionConfig) -> list[str]:
    return [one.kind for one in of.outputs]


def test_outputs_are_a_list_of_settings_told_apart_by_kind() -> None:
    made = config([{"kind": "record"}, {"kind": "lsl"}])
    assert kinds(made) == ["record", "lsl"]
    assert made.deprecations == ()
    assert kinds(parse_config(DATA)) == []


@pytest.mark.parametrize(
    ("former", "listed"),
    [
        ({"lsl_outlet": True, "record": True}, ["lsl", "record"]),
        ({"record": True}, ["record"]),
        ({"lsl_outlet": True, "record": False}, ["lsl"]),
        ({}, []),
    ],
)
def test_the_former_mapping_still_reads_and_says_what_to_write_instead(
    former: dict[str, bool], listed: list[str]
) -> None:
    made = config(former)
    assert kinds(made) == listed
    (deprecation,) = made.deprecations
    assert "outputs: [{kind: lsl}, {kind: record}]" in deprecation


def test_a_configuration_is_answered_as_a_list_which_is_not_deprecated() -> None:
    made = config({"lsl_outlet": True})
    text = made.model_dump_json()
    assert json.loads(text)["outputs"] == [{"kind": "lsl"}]
    assert SessionConfig.model_validate_json(text).deprecations == ()


@pytest.mark.parametrize(
    ("wrong", "path", "words"),
    [
        ([{"kind": "lamp"}], "outputs[0].kind", ["no output of kind 'lamp'", "lsl, mouse"]),
        ([{"kind": "lsl", "nme": 1}], "outputs[0].nme", ["unknown key", "kind"]),
        ([{}], "outputs[0].kind", ["missing"]),
        ({"lsl_outle": True}, "outputs", ["lsl_outle: unknown key", "did you mean lsl_outlet"]),
        ([{"kind": "lsl"}, {"kind": "lsl"}], "outputs", ["lsl is there twice"]),
        ("lsl", "outputs", ["valid list"]),
    ],
    ids=["kind", "key", "no kind", "former key", "twice", "no list"],
)
def test_what_is_wrong_with_outputs_is_said_with_what_may_stand_there(
    wrong: Any, path: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        config(wrong)
    (found,) = caught.value.fields["errors"]
    assert found["path"] == path
    assert all(word in found["message"] for word in words)


def test_the_schema_of_what_is_read_has_both_forms_and_that_of_answers_the_list_alone() -> None:
    reads, answers = (
        SessionConfig.model_json_schema(mode=mode)["properties"]["outputs"]
        for mode in ("validation", "serialization")
    )
    assert [form.get("type", form.get("$ref")) for form in reads["anyOf"]] == [
        "array",
        "#/$defs/OutputSwitches",
    ]
    assert answers["type"] == "array"
    assert set(answers["items"]["discriminator"]["mapping"]) == set(outputs())


def _installed(folder: Path, kind: str, distribution: str = "volition-lamp") -> Path:
    """Put a package that brings an output where Python finds it."""
    (folder / "volition_lamp.py").write_text(PLUGIN.format(kind=kind))
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[volition.outputs]\nlamp = volition_lamp:Lamp\n")
    return folder


def _run(folder: Path, statement: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", statement],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_an_installed_package_adds_an_output_that_a_configuration_may_name(tmp_path: Path) -> None:
    data = {**DATA, "outputs": [{"kind": "lamp", "port": 7}]}
    said = _run(
        _installed(tmp_path, "lamp"),
        "from volition.service.sessions.config import parse_config\n"
        f"print(parse_config({data!r}).outputs)",
    )
    assert said.strip() == "[LampSettings(kind='lamp', port=7)]"
    with pytest.raises(
        ConfigError, match="no output of kind 'lamp' is installed; allowed: keyboard, lsl"
    ):
        parse_config(data)


def test_no_package_takes_the_kind_of_one_of_volitions_outputs(tmp_path: Path) -> None:
    said = _run(
        _installed(tmp_path, "lsl"),
        "from volition import extension\n"
        "from volition.service.sessions.outputs import outputs\n"
        "print(outputs()['lsl'].__module__, *extension.broken())",
    )
    assert said.startswith("volition.service.worker.outputs.lsl volition-lamp adds lamp")
