"""What the measurements print: their figures, with what they were measured on."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from volition.service.cli.options import print_json


def last_json(path: Path) -> Any:
    """Read the report that a file holds: the last line of what a command printed."""
    return json_module.loads(path.read_text("utf-8").strip().splitlines()[-1])


def print_report(result: dict[str, Any], json: bool, packages: Sequence[str] = ()) -> None:
    """Print a measurement and its environment, as JSON on one line or a key a line."""
    from volition.benchmarks.environment import environment

    result = {**result, "environment": environment(packages)}
    if json:
        print_json(result)
        return
    for key, value in result.items():
        print(f"{key}: {value}")
