"""Prometheus metrics, collected from the sessions when they are asked for.

Workers count; their heartbeats carry the counts; nothing is counted twice. Units are base units.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from volition.service.sessions.states import SessionState
from volition.service.sessions.timing import BUCKETS_S
from volition.service.supervision.session import Session

_Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily

_COUNTERS = {
    "samples": "Samples pulled from the stream.",
    "chunks": "Chunks pulled from the stream.",
    "intents": "Intents published by the worker.",
    "reconnects": "Times that the stream was lost and looked for anew.",
    "dropped_samples": "Samples dropped unread because the worker could not keep up.",
    "lost_with_workers": "Samples, at the most, that were lost between a worker and its successor.",
    "dropped_by_bus": "Frames that the worker dropped because the gateway did not read.",
}
#: Names that say their unit, of counts whose own do not.
_NAMED = {
    "lost_with_workers": "lost_with_workers_samples",
    "dropped_by_bus": "dropped_by_bus_frames",
    "lost": "lost_samples",
}


_RECORDING_GAUGES = {
    "samples": "Samples in the file that is being recorded.",
    "bytes": "Size of the file that is being recorded.",
    "error": "1 while something keeps the recording from being written.",
}
_RECORDING_COUNTERS = {
    "lost": "Samples that the recording had to leave out.",
    "restarts": "Recorders started after another died.",
}


_STOP_COUNTERS = {
    "pressed": "Presses of the emergency stop.",
    "released": "Releases of the emergency stop.",
    "killed": "Workers killed because they did not obey the emergency stop in time.",
}
_STOP_TIMES = {
    "pressed": "When the emergency stop was pressed last, by whom and from where, since 1970.",
    "released": "When the emergency stop was released last, by whom and from where, since 1970.",
}


def render(sessions: Iterable[Session]) -> tuple[bytes, str]:
    """Give the text and its media type."""
    registry = CollectorRegistry()
    registry.register(_SessionsCollector(list(sessions)))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _build() -> _Family:
    versions = {"version": version("volition"), "python": platform.python_version()}
    return InfoMetricFamily("volition_build", "What runs.", value=versions)


class _SessionsCollector(Collector):
    def __init__(self, sessions: list[Session]) -> None:
        self._sessions = sessions

    def collect(self) -> Iterator[_Family]:
        yield _build()
        yield self._states()
        yield self._intents()
        for key, text in _COUNTERS.items():
            name = _NAMED.get(key, key)
            counter = CounterMetricFamily(f"volition_{name}", text, labels=["session"])
            for session in self._sessions:
                counter.add_metric([session.id], session.counts.get(key, 0))
            yield counter
        missing = CounterMetricFamily(
            "volition_missing_samples", "Samples that the stream lost.", labels=["session"]
        )
        for session in self._sessions:
            continuity = session.counts.get("continuity") or {}
            missing.add_metric([session.id], continuity.get("missing", 0))
        yield missing
        yield from self._recordings()
        restarts = CounterMetricFamily(
            "volition_worker_restarts", "Workers started after another died.", labels=["session"]
        )
        clients = GaugeMetricFamily(
            "volition_clients", "WebSocket clients and long polls.", labels=["session"]
        )
        behind = GaugeMetricFamily(
            "volition_clients_behind",
            "WebSocket clients that do not read what they are sent.",
            labels=["session"],
        )
        for session in self._sessions:
            restarts.add_metric([session.id], session.restarts)
            clients.add_metric([session.id], len(session.hub.subscriptions))
            behind.add_metric([session.id], len(session.hub.behind()))
        yield restarts
        yield clients
        yield behind
        yield from self._stops()
        yield self._steps()

    def _stops(self) -> Iterator[_Family]:
        """Tell whether the emergency stop holds, how often it was used, and by whom last."""
        held = GaugeMetricFamily(
            "volition_session_held", "1 while the emergency stop holds.", labels=["session"]
        )
        for session in self._sessions:
            held.add_metric([session.id], float(session.held))
        yield held
        for key, text in _STOP_COUNTERS.items():
            counter = CounterMetricFamily(f"volition_stop_{key}", text, labels=["session"])
            for session in self._sessions:
                counter.add_metric([session.id], getattr(session.stop_counts, key))
            yield counter
        for key, text in _STOP_TIMES.items():
            labels = ["session", "by", "where"]
            gauge = GaugeMetricFamily(f"volition_stop_last_{key}_seconds", text, labels=labels)
            for session in self._sessions:
                word = session.word
                deed = word.press_deed if key == "pressed" else word.release_deed
                if deed is not None:
                    gauge.add_metric([session.id, deed.by, deed.where], deed.utc)
            yield gauge

    def _recordings(self) -> Iterator[_Family]:
        """Give the gauges of recordings; ``samples`` and ``bytes`` are the current file's."""
        recorded = [(s.id, state) for s in self._sessions if (state := s.recording) is not None]
        for key, text in _RECORDING_GAUGES.items():
            gauge = GaugeMetricFamily(f"volition_recording_{key}", text, labels=["session"])
            for id_, state in recorded:
                gauge.add_metric([id_], float(bool(state[key]) if key == "error" else state[key]))
            yield gauge
        for key, text in _RECORDING_COUNTERS.items():
            name = _NAMED.get(key, key)
            counter = CounterMetricFamily(f"volition_recording_{name}", text, labels=["session"])
            for id_, state in recorded:
                counter.add_metric([id_], state[key])
            yield counter

    def _states(self) -> _Family:
        family = GaugeMetricFamily(
            "volition_session_state",
            "1 for the state that a session is in.",
            labels=["session", "state"],
        )
        for session in self._sessions:
            for state in SessionState:
                family.add_metric([session.id, state], float(state is session.state))
        return family

    def _intents(self) -> _Family:
        family = CounterMetricFamily(
            "volition_intents_by_kind",
            "Intents published by the worker, by kind; idle ones by reason too.",
            labels=["session", "kind", "reason"],
        )
        for session in self._sessions:
            for kind, reason, n in session.counts.get("intents_by", ()):
                family.add_metric([session.id, kind, reason], n)
        return family

    def _steps(self) -> _Family:
        family = HistogramMetricFamily(
            "volition_step_seconds",
            "Time of each step from the newest sample to the gateway.",
            labels=["session", "step"],
        )
        for session in self._sessions:
            steps = dict(session.counts.get("steps", {}))
            steps["bus"] = session.bus_times.report()
            for step, times in steps.items():
                cumulated, total = [], 0
                for bound, count in zip((*BUCKETS_S, "+Inf"), times["counts"], strict=True):
                    total += count
                    cumulated.append((str(bound), total))
                family.add_metric([session.id, step], cumulated, times["sum_s"])
        return family
