"""timeflux: a graph of its LSL receiver, its IIR filter and its LSL sender.

Run by the interpreter of an environment that holds timeflux, timeflux-dsp and a pylsl older than
1.17; it imports nothing of Volition. The graph is written to a file and started as
``timeflux FILE``, in this process. It runs at the rate of the signal, a thousand times a second:
at its default of once a second a chunk would wait for half of one.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any


def graph(arguments: dict[str, Any]) -> dict[str, Any]:
    """Give the application; JSON is YAML."""
    nodes = [
        {
            "id": "receive",
            "module": "timeflux.nodes.lsl",
            "class": "Receive",
            "params": {"prop": "source_id", "value": arguments["source_id"], "timeout": 5.0},
        },
        {
            "id": "band_pass",
            "module": "timeflux_dsp.nodes.filters",
            "class": "IIRFilter",
            "params": {
                "frequencies": arguments["band_hz"],
                "order": arguments["order"],
                "filter_type": "bandpass",
                "rate": arguments["rate_hz"],
            },
        },
        {
            "id": "send",
            "module": "timeflux.nodes.lsl",
            "class": "Send",
            "params": {
                "name": arguments["out_name"],
                "type": "EEG",
                "rate": arguments["rate_hz"],
                "source": arguments["out_name"],
            },
        },
    ]
    edges = [
        {"source": "receive", "target": "band_pass"},
        {"source": "band_pass", "target": "send"},
    ]
    return {"graphs": [{"id": "main", "rate": 1000, "nodes": nodes, "edges": edges}]}


def main(arguments: dict[str, Any]) -> None:
    """Run until killed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.yaml"
        path.write_text(json.dumps(graph(arguments)), "utf-8")
        sys.argv = ["timeflux", str(path)]
        runpy.run_module("timeflux", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
