"""Where the service keeps what outlives it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def data_folder() -> Path:
    """Give the folder of this user's Volition data; it need not exist.

    The environment variable VOLITION_DATA names another, as a container does.
    """
    named = os.environ.get("VOLITION_DATA")
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "Volition"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Volition"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "volition"


def recordings_folder() -> Path:
    """Give the folder that sessions record into and that the API lists."""
    return data_folder() / "recordings"


def models_folder() -> Path:
    """Give the folder of the model registry."""
    return data_folder() / "models"
