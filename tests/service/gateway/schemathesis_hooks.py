"""What keeps a fuzzing run short: nobody waits long. Loaded by Schemathesis itself."""

from __future__ import annotations

import contextlib
from typing import Any

import schemathesis

_LONGEST_WAIT_S = 0.02


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Shorten a long wait; one that is no number stays as wrong as it is."""
    if case.query and "wait" in case.query:
        with contextlib.suppress(TypeError, ValueError):
            if float(case.query["wait"]) > _LONGEST_WAIT_S:
                case.query["wait"] = _LONGEST_WAIT_S
