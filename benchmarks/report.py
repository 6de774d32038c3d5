"""Write ``docs/benchmarks.md`` from the reports of one machine: no figure is typed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_HEAD = """# Benchmarks

Made by `volition bench report` from what `volition bench latency --json` and
`volition bench capacity --json` printed; the figures below are of one machine, and yours will
differ. Absolute times depend on the machine and its mood: what stands for the code is the ratio to
the floor, measured in turns in the same run.
"""

_LATENCY = """
## Latency: newest sample to WebSocket client

From the push of the chunk that holds the newest sample an intent used, to its receipt by a client
in a process of its own; the wait for the chunk to fill is not in it. Floors of the same run:
`pull`, a bare outlet to a bare inlet; `echo`, a bare inlet to a WebSocket, nothing between;
`relay`, the same with one band-pass. Volition runs a band-pass, a notch and the decoder,
supervises, numbers, keeps and fans out. Times in milliseconds.
"""

_CAPACITY = """
## Capacity
"""


def write(latencies: Sequence[dict[str, Any]], capacity: dict[str, Any] | None) -> str:
    """Give the document.

    Parameters
    ----------
    latencies
        Reports of ``bench latency``, single cells or grids.
    capacity
        Report of ``bench capacity``.
    """
    rows = [row for report in latencies for row in report.get("rows", [report])]
    parts = [_HEAD, _machine(latencies[0]["environment"]), _LATENCY, _latency_table(rows)]
    parts += [_steps_table(rows)]
    if capacity is not None:
        parts += [_CAPACITY, _capacity(capacity)]
    return "\n".join(parts)


def _machine(environment: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {v}" for name, v in environment["packages"].items() if v)
    return (
        f"Machine: {environment['processor']}, {environment['cores']} cores, "
        f"{environment['memory_gib']} GiB, {environment['system']}; Python "
        f"{environment['python']}, {packages}."
    )


def _latency_table(rows: Sequence[dict[str, Any]]) -> str:
    head = (
        *("channels", "rate", "chunk", "decoder", "busy core", "p50", "p90", "p99", "p99.9", "max"),
        *("lost", "pull p50", "echo p50", "relay p50", "relay p99", "p50 / relay", "of a core"),
    )
    return _table(
        head,
        (
            (
                row["channels"],
                f"{row['rate_hz']:g} Hz",
                f"{row['chunk_ms']:g} ms",
                row["decoder"],
                "yes" if row["busy_core"] else "no",
                *(row[f"{name}_ms"] for name in ("p50", "p90", "p99", "p999", "max")),
                row["lost"] + row["lost_samples"],
                row["floor"]["pull"]["p50_ms"],
                row["floor"]["echo"]["p50_ms"],
                row["floor"]["relay"]["p50_ms"],
                row["floor"]["relay"]["p99_ms"],
                row["ratio_p50"],
                f"{row['cpu_share']:.1%}",
            )
            for row in rows
        ),
    )


def _steps_table(rows: Sequence[dict[str, Any]]) -> str:
    steps = ("lsl", "stages", "decoder", "encode", "bus")
    table = _table(
        ("channels", "rate", "chunk", "decoder", *steps, "decoded to client"),
        (
            (
                row["channels"],
                f"{row['rate_hz']:g} Hz",
                f"{row['chunk_ms']:g} ms",
                row["decoder"],
                *(f"{row['steps_ms'][s]['p50']} / {row['steps_ms'][s]['p99']}" for s in steps),
                "{p50_ms} / {p99_ms}".format_map(row["steps_ms"]["after_decoding"]),
            )
            for row in rows
        ),
    )
    return (
        "\nBy step, p50 / p99, over all chunks (a sliding decoder decides at some of them; a pull "
        "that wakes within a chunk counts its older stamp):\n\n" + table
    )


def _capacity(report: dict[str, Any]) -> str:
    clients = _table(
        ("clients", "of them dead", "p50", "p99", "p99.9", "max", "lost to the living"),
        (
            (
                r["clients"],
                r["dead"],
                r["p50_ms"],
                r["p99_ms"],
                r["p999_ms"],
                r["max_ms"],
                r["lost"],
            )
            for r in report["clients"]
        ),
    )
    sessions = _table(
        ("sessions", "p50", "p99", "max", "lost", "cores in use"),
        (
            (r["sessions"], r["p50_ms"], r["p99_ms"], r["max_ms"], r["lost"], r["cpu_share"])
            for r in report["sessions"]
        ),
    )
    broad = report["broadband"]
    return f"""
- from `volition serve` to ready: {report["cold_start_s"]} s; from a session made to its first
  sample: {report["first_sample_s"]} s, to its first intent: {report["first_intent_s"]} s
- CPU of the service with one idle session: {report["idle_cpu_share"]:.1%} of a core
- memory of its own: gateway {report["memory_mb"]["gateway"]} MB, worker
  {report["memory_mb"]["worker"]} MB
- sessions of 8 channels at 250 Hz with p99 within 10 ms: {report["sessions_at_10ms"]}
- 1024 channels at 30 kHz in chunks of 1 ms, band-passed, threshold crossings in bins of 20 ms, a
  Kalman filter: bin end to client p50 {broad["p50_ms"]} ms, p99 {broad["p99_ms"]} ms,
  {broad["lost"]} intents lost, {broad["dropped_samples"]} samples dropped,
  {broad["cpu_share"]:.0%} of a core

Clients of one session at 50 intents a second; one of several never reads. Milliseconds.

{clients}

Sessions, each with a worker of its own, at 25 intents a second. Milliseconds.

{sessions}
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
