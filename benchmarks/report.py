"""Write ``docs/benchmarks.md`` from the reports of one machine: no figure is typed by hand.

Drawings go beside it where matplotlib is installed, and are left out where it is not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

_HEAD = """# Benchmarks

Made by `volition bench report` from what `volition bench latency`, `capacity`, `decoders`, `peers`
and `counts` printed (`make bench` runs them all); the figures below are of one machine, and yours
will differ. Absolute times depend on the machine and its mood: what stands for the code is the
ratio to the floor, or to a peer, measured in turns in the same run.
"""

_LATENCY = """
## Latency: newest sample to WebSocket client

From the push of the chunk that holds the newest sample an intent used, to its receipt by a client
in a process of its own; the wait for the chunk to fill is not in it. Floors of the same run:
`pull`, a bare outlet to a bare inlet; `echo`, a bare inlet to a WebSocket, nothing between;
`relay`, the same with one band-pass. Volition runs a band-pass, a notch and the decoder,
supervises, numbers, keeps and fans out; it rehearses short work just before it is due (see
docs/architecture.md), which is how it may come before the relay. Times in milliseconds.
"""

_CAPACITY = """
## Capacity
"""


_DECODERS = """
## What stages and decoders cost

Processor time of one thread, in microseconds: `mean` is all that a chunk (stages: of 20 ms) or a
decision (decoders: of flicker, on windows of 1 s every 0.2 s; of movement, a bin) needs, `median`
the middle chunk or the call that decides, `slowest` the worst. Growth is the exponent of `mean`
over the largest sizes of a sweep along one axis, all else as in the row: 1 is linear, 0 flat.
"""

_SHARES = """
Stages that remove artifacts, as a share of real time: chunks of 20 ms, blinks in a tenth of the
time. meegkit's ASR on the same signal, in windows of half a second as in its examples, and in
windows of 32 ms, where it decides as often as ours.
"""

_PACKAGES = """
### Beside packages that do the same

In turns, on the same data, at the sizes above; what the package is given is cut and filtered before
the clock starts, ours does it itself. A ratio below 1 says that ours is faster.
"""

_PEERS = """
## Beside ezmsg, MNE-LSL and timeflux

The same stream through the same band-pass to a subscriber in a process of its own, each contender
alone in its turn. Volition decodes each chunk as well. From the push of a chunk to the receipt of
the first message that reaches into it, milliseconds; ratios are Volition's value over the peer's,
over the same way out, and below 1 Volition is better.
"""

_COUNTS = """
## Counts of the hot loop

What a chunk takes from the engine's door to encoded intents: the same on every machine with the
same Python and numpy, and held to `benchmarks/speed/budget.toml` by a test. `kept` are blocks of
memory that stay in use, a chunk; `later` are the calls after many more chunks.
"""


#: The sections, in order.
_SECTIONS = (_LATENCY, _PEERS, _DECODERS, _CAPACITY, _COUNTS)


@dataclass(frozen=True, slots=True)
class _Section:
    """A section that a report gives: its text, where it was measured, and its drawing, if any."""

    intro: str
    environment: Mapping[str, Any]
    body: str
    name: str = ""
    draw: Callable[[ModuleType], str] | None = None


def write(
    latencies: Sequence[dict[str, Any]], others: Mapping[str, dict[str, Any] | None], out: Path
) -> None:
    """Write the document, and its drawings beside it.

    Parameters
    ----------
    latencies
        Reports of ``bench latency``, single cells or grids.
    others
        Reports of ``capacity``, ``decoders``, ``peers`` and ``counts``, by these names. Where one
        is missing or None, its section stays as the document has it.
    out
        The document.
    """
    found = {name: report for name, report in others.items() if report is not None}
    sections = {_title(one.intro): one for one in _given(latencies, found)}
    kept = _kept(out)
    head = kept.pop("", "")
    if not kept.keys() - sections.keys():  # all of it is new
        first = next(iter([*latencies, *found.values()]))
        head = f"{_HEAD}\n{_machine(first['environment'])}"
    drawings = _drawings()
    texts = kept | {title: _text(one, head, out, drawings) for title, one in sections.items()}
    titles = [title for title in map(_title, _SECTIONS) if title in texts]
    parts = [head.strip(), *(f"## {texts[title].strip()}" for title in titles)]
    out.write_text("\n\n".join(parts) + "\n", "utf-8")


def _given(
    latencies: Sequence[dict[str, Any]], found: Mapping[str, dict[str, Any]]
) -> Iterator[_Section]:
    """Give the section of each report."""
    rows = [row for report in latencies for row in report.get("rows", [report])]
    if rows:
        body = "\n".join([_latency_table(rows), _steps_table(rows)])
        environment = latencies[0]["environment"]
        yield _Section(_LATENCY, environment, body, "latency", lambda d: str(d.latency(rows)))
    for name, intro, tables, draw in (
        ("peers", _PEERS, _peers, lambda d, report: str(d.peers(report["rows"]))),
        ("decoders", _DECODERS, _costs, lambda d, report: str(d.costs(report))),
        ("capacity", _CAPACITY, _capacity, lambda d, report: str(d.capacity(report))),
    ):
        if name in found:
            report = found[name]
            file = "costs" if name == "decoders" else name
            drawn = functools.partial(draw, report=report)
            yield _Section(intro, report["environment"], tables(report), file, drawn)
    if "counts" in found:
        report = found["counts"]
        yield _Section(_COUNTS, report["environment"], _counts(report))


def _text(one: _Section, head: str, out: Path, drawings: ModuleType | None) -> str:
    """Give a section without its first signs, and write its drawing."""
    machine = _machine(one.environment)
    parts = [one.intro.strip().removeprefix("## ")]
    if machine not in head:
        parts.append(f"\nMeasured apart. {machine}")
    parts.append(f"\n{one.body}")
    if drawings is not None and one.draw is not None:
        path = out.with_name(f"{out.stem}-{one.name}.svg")
        path.write_text(one.draw(drawings), "utf-8")
        parts.append(f"\n![{one.name}]({path.name})")
    return "\n".join(parts)


def _kept(out: Path) -> dict[str, str]:
    """Give the sections that a document has, by title, and under no title what is before them."""
    if not out.is_file():
        return {}
    head, *sections = out.read_text("utf-8").split("\n## ")
    return {"": head} | {one.partition("\n")[0]: one for one in sections}


def _title(intro: str) -> str:
    return intro.strip().removeprefix("## ").partition("\n")[0]


def _drawings() -> ModuleType | None:
    try:
        from volition.benchmarks import drawings
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        return None
    return drawings


def _peers(report: dict[str, Any]) -> str:
    def ratio(row: dict[str, Any], name: str) -> object:
        return row.get(f"ratio_{name}", "")

    head = (
        "contender",
        "out by",
        "p50",
        "p90",
        "p99",
        "max",
        "lost samples",
        "of a core",
        "memory",
    )
    table = _table(
        (*head, "p50 ratio", "p99 ratio", "CPU ratio"),
        (
            (
                row["name"],
                row["out"],
                *(row[f"{name}_ms"] for name in ("p50", "p90", "p99", "max")),
                row["lost_samples"],
                f"{row['cpu_share']:.1%}",
                f"{row['memory_mb']} MB",
                *(ratio(row, name) for name in ("p50", "p99", "cpu")),
            )
            for row in report["rows"]
        ),
    )
    versions = "; ".join(
        ", ".join(f"{package} {version}" for package, version in packages.items())
        for packages in report["versions"].values()
    )
    low_hz, high_hz = report["band_hz"]
    measured = (
        f"{report['channels']} channels at {report['rate_hz']:g} Hz in chunks of "
        f"{report['chunk_ms']:g} ms, {low_hz:g} to {high_hz:g} Hz, {report['rounds']} rounds. "
        f"{versions}.\n"
    )
    missing = "".join(f"\n- not measured: {n}: {why}" for n, why in report["missing"].items())
    troubles = "".join(f"\n- a turn failed: {trouble}" for trouble in report["troubles"])
    return f"{measured}\n{table}\n{missing}{troubles}"


def _costs(report: dict[str, Any]) -> str:
    growth = {(g["kind"], g["variant"], g["axis"]): g["exponent"] for g in report["growth"]}

    def line(row: dict[str, Any], axes: Sequence[str]) -> Sequence[object]:
        name = f"`{row['kind']}` {row['variant']}".strip()
        sizes = [row["n_channels"], f"{row['rate_hz']:g} Hz"]
        if "targets" in axes:
            sizes += [row["n_targets"] or "", row["n_training"] or ""]
        if "refused" in row:
            return (name, *sizes, row["refused"], *[""] * (2 + len(axes)))
        times = (row["mean_us"], row["median_us"], row["slowest_us"])
        return (
            name,
            *sizes,
            *times,
            *(growth.get((row["kind"], row["variant"], a), "") for a in axes),
        )

    def table(group: str, sizes: Sequence[str], axes: Sequence[str], titles: Sequence[str]) -> str:
        rows = [row for row in report[group] if row["axis"] == "base"]
        head = (group[:-1], *sizes, "mean", "median", "slowest", *titles)
        return _table(head, (line(row, axes) for row in rows)) if rows else ""

    parts = [
        table("stages", ("channels", "rate"), ("channels", "rate_hz"), ("by channels", "by rate")),
        table(
            "decoders",
            ("channels", "rate", "targets", "trained on"),
            ("channels", "rate_hz", "targets", "training"),
            ("by channels", "by rate", "by targets", "by training"),
        ),
    ]
    if "shares" in report:
        parts += [_SHARES, _shares(report["shares"])]
    parts += [_PACKAGES, _packages(report["peers"])]
    return "\n\n".join(part for part in parts if part)


def _shares(report: dict[str, Any]) -> str:
    def percent(value: float | None) -> str:
        return "" if value is None else f"{value:.2%}"

    return _table(
        (
            "stage",
            "channels",
            "rate",
            "share",
            "slowest chunk",
            "calibrated in",
            "meegkit",
            "as often",
        ),
        (
            (
                f"`{row['stage']}`",
                row["n_channels"],
                f"{row['rate_hz']:g} Hz",
                percent(row["share"]),
                f"{row['slowest_ms']:.2f} ms",
                f"{row['calibration_s']:.2f} s",
                percent(row.get("peer_share_half_second")),
                percent(row.get("peer_share_as_often")),
            )
            for row in report["rows"]
        ),
    )


def _packages(rows: Sequence[dict[str, Any]]) -> str:
    table = _table(
        ("ours", "package", "what it does", "ours, µs", "package, µs", "ratio", "filter alone"),
        (
            (
                f"`{row['kind']}` {row['variant']}".strip(),
                row["package"],
                row["does"],
                row["ours_us"],
                row["peer_us"],
                row["ratio"],
                row.get("filter_alone_ratio", ""),
            )
            for row in rows
            if row["package"]
        ),
    )
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if not row["package"]:
            reasons.setdefault(row["why_none"], []).append(
                f"`{row['kind']}` {row['variant']}".strip()
            )
    without = "".join(f"- {', '.join(names)}: {why}\n" for why, names in reasons.items())
    return f"{table}\n\nNot set beside a package:\n\n{without}"


def _counts(report: dict[str, Any]) -> str:
    def instructions(row: dict[str, Any]) -> object:
        if row.get("instructions") is not None:
            return f"{row['instructions']} ({row['by']})"
        return row.get("why_none", "")

    def of_budget(row: dict[str, Any], name: str) -> str:
        allowed = report["budget"].get(row["scenario"])
        return f"{row[name]:.10g}" + (f" of {allowed[name]}" if allowed else "")

    return _table(
        ("scenario", "calls", "bytecodes", "peak bytes", "kept", "later", "instructions"),
        (
            (
                row["scenario"],
                *(of_budget(row, name) for name in ("calls", "bytecodes", "peak_bytes")),
                row["kept_blocks"],
                row["calls_later"],
                instructions(row),
            )
            for row in report["rows"]
        ),
    )


def _machine(environment: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {v}" for name, v in environment["packages"].items() if v)
    return (
        f"Machine: {environment['processor']}, {environment['cores']} cores, "
        f"{environment['memory_gib']} GiB, {environment['system']}; Python "
        f"{environment['python']}, {packages}."
    )


def _decoder_of(row: dict[str, Any]) -> str:
    return str(row["decoder"]) if row["rehearse"] else f"{row['decoder']}, not rehearsed"


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
                _decoder_of(row),
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
                _decoder_of(row),
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
- {broad.get("channels", 1024)} channels at 30 kHz in chunks of 1 ms, band-passed, threshold
  crossings in bins of 20 ms, {_FILTERS[broad.get("decoder", "kalman")]}: bin end to client
  p50 {broad["p50_ms"]} ms, p99 {broad["p99_ms"]} ms,
  {broad["lost"]} intents lost, {broad["dropped_samples"]} samples dropped,
  {broad["cpu_share"]:.0%} of a core

Clients of one session at 50 intents a second; one of several never reads. Milliseconds.

{clients}

Sessions, each with a worker of its own, at 25 intents a second. Milliseconds.

{sessions}
"""


#: As the sentence on broadband names them.
_FILTERS = {
    "kalman": "a Kalman filter",
    "dkf": "a discriminative Kalman filter on 5,000 points",
}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
