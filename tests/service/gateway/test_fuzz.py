"""Anything may be written into a session file or sent to a socket: it is read or refused in words.

``VOLITION_LONG_FUZZ=1`` tries a hundred thousand inputs.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from volition.decoders import registry
from volition.errors import ConfigError
from volition.service.gateway.sockets import read_message
from volition.service.sessions.config import SessionConfig, load_config, parse_config, preset_names
from volition.service.wire.messages import (
    EmergencyStop,
    MarkerMessage,
    MarkersMessage,
    Ping,
    Refused,
)

LONG = bool(os.environ.get("VOLITION_LONG_FUZZ"))
pytestmark = pytest.mark.timeout(7200 if LONG else 600)


def examples(short: int, long: int) -> settings:
    return settings(
        max_examples=long if LONG else short,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def session_files() -> list[dict[str, Any]]:
    """Give right configurations that name every stage and decoder there is."""
    folder = resources.files("volition.service") / "presets"
    found = [
        yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8")) for name in preset_names()
    ]
    plain = copy.deepcopy(found[0])
    for kind in [*registry.stages(), *registry.decoders_by_kind()]:
        for one in registry.examples(kind):
            part = one.settings.model_dump(mode="json", exclude_unset=True) | {"kind": kind}
            is_stage = kind in registry.stages()
            found.append({**plain, "stages": [part]} if is_stage else {**plain, "decoder": part})
    return found


FILES = session_files()

odd_numbers = st.sampled_from(
    [0, -1, 1, 0.5, 1e-9, 5e-324, 1e308, -1e308, float("inf"), float("nan"), 2**70, 10**400, 300]
)
leaves = (
    st.none()
    | st.booleans()
    | odd_numbers
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=5)
    | st.binary(max_size=5)
    | st.dates()
    | st.sampled_from(["1e400", "nan", "0x", "EEG", "fbcca", "bandpass", "full", "1" * 5000])
)
keys = st.text(max_size=8) | leaves.filter(lambda leaf: not isinstance(leaf, bytearray))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to each key and item of a tree."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def spoiled_files(draw: st.DrawFn) -> Any:
    """Take a right configuration and change, remove or add something, a few times."""
    tree = copy.deepcopy(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(list(places(tree)) or [("name",)]))
        owner = tree
        for key in way:
            owner = owner[key]
        what = draw(st.sampled_from(["change", "number", "remove", "add", "repeat"]))
        if what == "change":
            owner[last] = draw(values)
        elif what == "number":
            owner[last] = draw(odd_numbers)
        elif what == "add" and isinstance(owner, dict):
            owner[draw(keys)] = draw(values)
        elif what == "repeat" and isinstance(owner, list):
            owner.append(copy.deepcopy(owner[last]))
        elif what == "remove":
            del owner[last]
    return tree


def check_parse(data: Any) -> None:
    try:
        assert isinstance(parse_config(data), SessionConfig)
    except ConfigError as error:
        json.dumps(error.fields, allow_nan=False)


@examples(300, 40_000)
@given(data=spoiled_files())
def test_a_spoiled_configuration_is_read_or_refused_in_words(data: Any) -> None:
    check_parse(data)


@examples(100, 10_000)
@given(data=values)
def test_any_data_at_all_is_read_or_refused_in_words(data: Any) -> None:
    check_parse(data)


yaml_words = st.sampled_from(
    [
        *(
            "stream:",
            "stages:",
            "decoder:",
            "kind:",
            "- ",
            "  ",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ",",
            "? ",
        ),
        *("&a ", "*a", "<<: ", "!!int ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "--- "),
        *(
            "2001-99-99",
            "0b",
            "0x",
            "1:99:99",
            ".inf",
            ".nan",
            "!!float x",
            "|",
            ">",
            "%YAML 9.9\n",
        ),
        *("!!python/object:os.system ", "'", '"', "#", "\\x", "\t", "\ufeff", "\0", "\x85"),
    ]
)
yaml_texts = st.lists(yaml_words | st.text(max_size=4), max_size=20).map("".join)


@examples(200, 30_000)
@given(content=yaml_texts.map(lambda t: t.encode("utf-8", "replace")) | st.binary(max_size=50))
@example(content=b"[" * 5000)
@example(content=b"a: " + b"- " * 5000)
@example(content=b"!!timestamp x")
@example(content=b"!!int x")
@example(content=b"2001-99-99")
@example(content=b"\xff\xfe\x00")
@example(content=b"decoder: &a [*a]\nstream: *a")
@example(
    content=b"a: &a [x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (b + 1, b + 1, b",".join([b"*%c" % b] * 8)) for b in range(97, 117)
    )
    + b"stages: *u\nstream: *u\ndecoder: *u\n"
)
def test_any_file_is_read_or_refused_in_words(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.yaml"
        path.write_bytes(content)
        try:
            load_config(path)
        except ConfigError as error:
            json.dumps(error.fields, allow_nan=False)


@examples(100, 5_000)
@given(name=st.text(max_size=300))
@example(name="\0")
@example(name="x" * 5000)
@example(name="/")
@example(name="")
def test_any_name_of_a_file_is_found_or_refused_in_words(name: str) -> None:
    try:
        assert isinstance(load_config(name), SessionConfig)
    except ConfigError as error:
        json.dumps(error.fields, allow_nan=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["marker", "markers", "ping", "estop"]) | json_values},
    optional={
        "markers": st.lists(st.dictionaries(st.sampled_from(["name", "t", "data"]), json_values))
        | json_values,
        "name": json_values,
        "data": json_values,
        "t": json_values,
        "t_client": json_values,
    },
).map(json.dumps)
cut_messages = st.tuples(messages, st.integers(0, 60)).map(lambda both: both[0][: both[1]])


@examples(300, 30_000)
@given(text=messages | cut_messages | json_values.map(json.dumps) | st.text())
@example(text="[" * 60_000)
@example(text='{"type":"marker","name":"\\ud800"}')
@example(text='{"type":"marker","name":"x","data":{"\\ud800":1e999}}')
@example(text='{"type":"ping","t_client":' + "9" * 5000 + "}")
def test_any_frame_of_a_client_is_understood_or_refused_in_words(text: str) -> None:
    read = read_message(text)
    assert isinstance(read, MarkerMessage | MarkersMessage | Ping | EmergencyStop | Refused)
    # Whatever comes of it can be sent on: to the client, or to the worker.
    json.loads(json.dumps(read.model_dump(mode="json")))
    if isinstance(read, Refused):
        assert 0 < len(read.detail) <= 1000


def test_a_binary_frame_is_refused() -> None:
    assert isinstance(read_message(None), Refused)
