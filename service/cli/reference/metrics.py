"""The page of metrics, from what the service gives."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from volition.service.cli.reference.schemas import text
from volition.service.gateway.metrics import render

HEAD = """# Metrics

What `GET /metrics` gives, for Prometheus. Most have the label `session`. Units are base units.

| metric | kind | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """Write the page."""
    families = text_string_to_metric_families(render(())[0].decode())
    return HEAD + "".join(
        f"| `{one.name}{'_total' if one.type == 'counter' else ''}` | {one.type} "
        f"| {text(one.documentation)} |\n"
        for one in sorted(families, key=lambda one: one.name)
    )
