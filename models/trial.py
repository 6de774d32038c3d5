"""Try a model in a process of its own, where it may crash, hang or fill the memory.

Whoever uploads a file has it run. What it does to the process that runs it is not known before: a
runtime may be ended by the processor (a division of integers), take all memory (small tensors that
are put together again and again) or never return. So `try_content` does what
`volition.models.check.check_content` does, in a child that may use `MOST_MEMORY_BYTES` and
`MOST_S` seconds, and says how it ended.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any, Literal

from volition.children import python_module
from volition.errors import ModelError, VolitionError
from volition.models.manifest import ModelCard

#: With what the libraries take.
MOST_MEMORY_BYTES = 1 << 30
MOST_S = 30.0
#: For the child's start.
_START_S = 30.0


def try_content(content: bytes, card: ModelCard, name: str) -> tuple[str, Literal["npz", "onnx"]]:
    """Check a file against its card in a process of its own; give its version and format.

    Raises
    ------
    ModelError
        It is none that can be run, not what the card says, or takes more than it may.
    """
    head = json.dumps({"card": card.model_dump(mode="json"), "name": name}).encode() + b"\n"
    try:
        done = subprocess.run(
            python_module("volition.models.trial"),
            input=head + content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MOST_S + _START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"the model took more than {MOST_S:g} s to be tried") from None
    except OSError as error:
        raise ModelError(f"the model cannot be tried now: {error.strerror or error}") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise ModelError(f"the model cannot be run: {_how_it_ended(done.returncode)}") from None
    if "error" in answer:
        raise ModelError(answer["error"], **answer["fields"])
    return answer["version"], answer["format"]


def _how_it_ended(code: int) -> str:
    if sys.platform != "win32" and code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"it took more than {MOST_S:g} s"
    if code < 0:
        return f"the process that tried it was ended by {signal.Signals(-code).name}"
    return f"the process that tried it ended with {code}"


def _bound_this_process() -> None:
    """Bound time and memory from here on; where the system cannot, the parent's clock remains."""
    if sys.platform == "win32":
        return
    import resource

    seconds = round(MOST_S)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))


def _tried(asked: dict[str, Any], content: bytes) -> dict[str, Any]:
    # Not above: the parent needs none of the libraries.
    from volition.models.check import check_content

    _bound_this_process()
    try:
        card = ModelCard.model_validate(asked["card"])
        version, format_ = check_content(content, card, asked["name"])
    except VolitionError as error:
        return {"error": error.message, "fields": json.loads(json.dumps(error.fields, default=str))}
    except MemoryError:
        return {"error": f"the model needs more than {MOST_MEMORY_BYTES} bytes", "fields": {}}
    return {"version": version, "format": format_}


def main() -> None:
    """Be the process that tries a model."""
    head, _, content = sys.stdin.buffer.read().partition(b"\n")
    asked = json.loads(head)
    sys.stdout.write(json.dumps(_tried(asked, content)))


if __name__ == "__main__":
    main()
