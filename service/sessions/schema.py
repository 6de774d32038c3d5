"""The JSON schema of a session's configuration, for programs that make forms of it.

Beside what pydantic writes, each stage, decoder and output says what it does, and brings settings
that run as its example.
"""

from __future__ import annotations

import functools
from typing import Any

import yaml

from volition.service.sessions.config import SessionConfig
from volition.service.sessions.kinds import known_kinds


@functools.cache
def session_schema() -> dict[str, Any]:
    """Give the schema of what a session file or ``POST /v1/sessions`` may hold.

    It is made once, and is nobody's to change.
    """
    schema = SessionConfig.model_json_schema()
    places = schema["properties"]
    unions = {
        "stages": places["stages"]["items"],
        "decoders": places["decoder"],
        "outputs": places["outputs"]["anyOf"][0]["items"],
    }
    for one in known_kinds():
        if one.family not in unions:
            continue
        reference = unions[one.family]["discriminator"]["mapping"][one.kind]
        described = schema["$defs"][reference.rpartition("/")[2]]
        described["description"] = one.summary
        if one.example is not None:
            described["examples"] = [yaml.safe_load(one.example)]
    return schema
