"""Where the service listens and clients look for it, unless they are told otherwise."""

from __future__ import annotations

DEFAULT_PORT = 8765
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
