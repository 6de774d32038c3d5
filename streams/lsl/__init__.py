"""LSL: which streams there are, what comes in from them, what goes out, and the clock."""

from __future__ import annotations

from volition.streams.lsl.library import (
    LIBLSL_LOST,
    SCOPES,
    LibraryCalls,
    Scope,
    configure,
    in_use,
    library_calls,
    load,
    loopback_config,
    own_network,
    settings_text,
)

__all__ = [
    "LIBLSL_LOST",
    "SCOPES",
    "LibraryCalls",
    "Scope",
    "configure",
    "in_use",
    "library_calls",
    "load",
    "loopback_config",
    "own_network",
    "settings_text",
]
