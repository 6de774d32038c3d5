"""What a running service takes, over time: resident memory, open files, threads.

Samples are taken by a thread beside whatever else goes on. A slope is Theil's and Sen's (J. Am.
Stat. Assoc. 63:1379, 1968), the median of the slopes between all pairs, which a single jump does
not move; its interval is of 95 %.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import psutil
from scipy.stats import theilslopes

_MB = 1e6
_MOST_POINTS = 600


@dataclass(frozen=True, slots=True)
class Sample:
    """What all processes take together at one moment."""

    t: float
    rss_mb: float
    files: int
    threads: int
    processes: int


class Footprint:
    """Watch a process and its children while the block lasts.

    Parameters
    ----------
    pid
        The process.
    every_s
        How often to look.
    """

    def __init__(self, pid: int, *, every_s: float = 1.0) -> None:
        self.samples: list[Sample] = []
        self._root = psutil.Process(pid)
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            sample = self._look()
            if sample is not None:
                self.samples.append(sample)
            self._stop.wait(self._every_s)

    def _look(self) -> Sample | None:
        rss = files = threads = 0
        try:
            family = [self._root, *self._root.children(recursive=True)]
            for process in family:
                rss += process.memory_info().rss
                threads += process.num_threads()
                files += open_files(process)
        except psutil.NoSuchProcess:
            return None  # one ended meanwhile; the next look counts those that are left
        return Sample(time.monotonic(), rss / _MB, files, threads, len(family))

    def report(self, warm_up_s: float) -> dict[str, Any]:
        """Give slopes and growths from ``warm_up_s`` after the first sample on."""
        start = self.samples[0].t + warm_up_s
        kept = [sample for sample in self.samples if sample.t >= start]
        kept = kept[:: max(1, len(kept) // _MOST_POINTS)]
        if len(kept) < 4:
            return {"n": len(kept)}
        hours = np.array([(sample.t - start) / 3600 for sample in kept])
        slope, _, low, high = theilslopes([sample.rss_mb for sample in kept], hours, 0.95)
        return {
            "n": len(kept),
            "rss_mb": round(float(np.median([sample.rss_mb for sample in kept])), 1),
            "rss_slope_mb_per_h": round(float(slope), 3),
            "rss_slope_interval_mb_per_h": [round(float(low), 3), round(float(high), 3)],
            "files": kept[-1].files,
            "fd_growth": _growth([sample.files for sample in kept]),
            "threads": kept[-1].threads,
            "thread_growth": _growth([sample.threads for sample in kept]),
            "processes": kept[-1].processes,
        }


def open_files(process: psutil.Process) -> int:
    """Count what a process holds open: file descriptors, or handles on Windows."""
    count = getattr(process, "num_fds", None) or getattr(process, "num_handles")  # noqa: B009 - of another system
    return int(count())


def _growth(counts: list[int]) -> float:
    """Compare the median of the last quarter with that of the first."""
    quarter = max(1, len(counts) // 4)
    return float(np.median(counts[-quarter:]) - np.median(counts[:quarter]))
