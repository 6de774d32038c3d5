"""A Grafana dashboard of the service's metrics, as the JSON that Grafana imports.

Grafana asks for the Prometheus that it is to read from when the dashboard is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
_OF_SESSION = 'session=~"$session"'
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing.

    Attributes
    ----------
    title, about
        What it shows, and what a person should see in it.
    queries
        What is drawn, in Prometheus' language, by its legend.
    unit
        Grafana's name of the unit.
    """

    title: str
    about: str
    queries: dict[str, str]
    unit: str = "short"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{_OF_SESSION}}}[1m]))"


def _in_an_hour(metric: str) -> str:
    return f"increase({metric}{{{_OF_SESSION}}}[1h])"


def _latency(quantile: float) -> str:
    rates = f"rate(volition_step_seconds_bucket{{{_OF_SESSION}}}[1m])"
    return f"histogram_quantile({quantile}, sum by (le, step) ({rates}))"


PANELS = (
    Panel(
        "State",
        "1 for the state that each session is in.",
        {"{{session}} {{state}}": f"volition_session_state{{{_OF_SESSION}}} == 1"},
    ),
    Panel(
        "Emergency stop",
        "1 while it holds: nothing but neutral intents leaves.",
        {"{{session}}": f"volition_session_held{{{_OF_SESSION}}}"},
    ),
    Panel(
        "Intents by kind",
        "Intents a second; idle ones by their reason.",
        {"{{kind}} {{reason}}": _rate("volition_intents_by_kind_total", "kind, reason")},
        "ops",
    ),
    Panel(
        "Samples",
        "Samples a second as they come; the rate of the stream.",
        {"{{session}}": _rate("volition_samples_total", "session")},
        "ops",
    ),
    Panel(
        "Time of each step, 99 %",
        "From the newest sample to the gateway, by step.",
        {"{{step}}": _latency(0.99)},
        "s",
    ),
    Panel(
        "Time of each step, median",
        "As beside it.",
        {"{{step}}": _latency(0.5)},
        "s",
    ),
    Panel(
        "Samples that are missing",
        "Lost by the stream, dropped because the worker was late, or lost between two workers.",
        {
            "{{session}} lost": _rate("volition_missing_samples_total", "session"),
            "{{session}} dropped": _rate("volition_dropped_samples_total", "session"),
            "{{session}} between workers": _rate(
                "volition_lost_with_workers_samples_total", "session"
            ),
        },
        "ops",
    ),
    Panel(
        "Restarts and reconnects",
        "Workers that died, and streams that were looked for anew, in the last hour.",
        {
            "{{session}} restarts": _in_an_hour("volition_worker_restarts_total"),
            "{{session}} reconnects": _in_an_hour("volition_reconnects_total"),
        },
    ),
    Panel(
        "Clients",
        "Who listens, and who does not read what it is sent.",
        {
            "{{session}}": f"volition_clients{{{_OF_SESSION}}}",
            "{{session}} behind": f"volition_clients_behind{{{_OF_SESSION}}}",
        },
    ),
    Panel(
        "Recording",
        "Size of the file that is being recorded, and samples that it had to leave out.",
        {
            "{{session}}": f"volition_recording_bytes{{{_OF_SESSION}}}",
            "{{session}} samples lost": f"volition_recording_lost_samples_total{{{_OF_SESSION}}}",
        },
        "bytes",
    ),
)


def dashboard() -> dict[str, Any]:
    """Give the dashboard."""
    return {
        "__inputs": [
            {
                "name": "DS_PROMETHEUS",
                "label": "Prometheus",
                "type": "datasource",
                "pluginId": "prometheus",
            }
        ],
        "uid": "volition",
        "title": "Volition",
        "tags": ["bci"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_session_choice()]},
        "panels": [_drawn(number, panel) for number, panel in enumerate(PANELS)],
    }


def _session_choice() -> dict[str, Any]:
    return {
        "name": "session",
        "label": "Session",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(volition_session_state, session)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _drawn(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": query, "legendFormat": legend}
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }
