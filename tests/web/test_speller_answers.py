"""What the speller takes for the answer to its trial, by its own code run in node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import WEB

EVIDENCE = {"A": 0.21, "B": 0.64, "C": None}
INTENTS: list[tuple[dict[str, Any], str | None]] = [
    ({"kind": "selection", "label": "A", "evidence": EVIDENCE}, "A"),
    # The session's policy lets one through for each look; the speller's trials are looks already.
    ({"kind": "idle", "reason": "repeated", "evidence": EVIDENCE}, "B"),
    ({"kind": "idle", "reason": "undecided", "evidence": EVIDENCE}, "B"),
    ({"kind": "idle", "reason": "unconfirmed", "evidence": EVIDENCE}, "B"),
    ({"kind": "idle", "reason": "rest", "evidence": EVIDENCE}, None),
    ({"kind": "idle", "reason": "low_confidence", "evidence": EVIDENCE}, None),
    ({"kind": "idle", "reason": "held", "evidence": {}}, None),
    ({"kind": "idle", "reason": "undecided", "evidence": {}}, None),
    ({"kind": "cursor", "velocity": [1, 2]}, None),
]


@pytest.fixture(scope="module")
def run(pages: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("speller") / "run.cjs"
    bundler = WEB / "node_modules" / ".bin" / "rolldown"
    command = [str(bundler), "src/speller/run.ts", "-f", "cjs", "-o", str(made)]
    subprocess.run(command, cwd=WEB, check=True, capture_output=True, timeout=120)
    return made


def test_an_answer_counts_whether_or_not_the_session_makes_it_a_selection(run: Path) -> None:
    script = (
        f"const {{ answered }} = require({json.dumps(str(run))});"
        f"const all = {json.dumps([intent for intent, _ in INTENTS])};"
        "console.log(JSON.stringify(all.map(answered)));"
    )
    done = subprocess.run(
        ["node", "-e", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == [label for _, label in INTENTS]
