"""What a figure was measured on; it stands beside every figure."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("volition", "numpy", "scipy", "pylsl", "uvicorn", "uvloop", "websockets", "pydantic")
#: What ours is set beside; those that are not installed are left out.
PEER_PACKAGES = (
    "ezmsg",
    "ezmsg-lsl",
    "ezmsg-sigproc",
    "ezmsg-websocket",
    "filterpy",
    "meegkit",
    "mne-lsl",
    "pyriemann",
    "scikit-learn",
)


def environment(packages: Sequence[str] = ()) -> dict[str, Any]:
    """Describe the machine and the packages that matter, ``packages`` among them."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*_PACKAGES, *packages)},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:
        return None


def _processor() -> str:
    """Name the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
