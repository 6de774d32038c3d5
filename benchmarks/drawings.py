"""Figures of the benchmarks as SVG, drawn by matplotlib: the same reports give the same files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from volition.benchmarks.quality.evaluation.promises import promised_and_given

#: Colours that are told apart by those who see red and green alike (Okabe and Ito).
_OURS, _OTHERS, _THIRD, _FOURTH = "#0072B2", "#999999", "#D55E00", "#009E73"
_FIFTH, _SIXTH = "#CC79A7", "#E69F00"
_IN_TURN = (_OTHERS, _OURS, _THIRD, _FOURTH, _FIFTH, _SIXTH)
_STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "volition",
}


def latency(rows: Sequence[dict[str, Any]]) -> str:
    """Draw p50 to p99 of each cell, beside the relay of the same run."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 1.2 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots()
        names = []
        for place, row in enumerate(rows):
            load = ", busy core" if row["busy_core"] else ""
            names.append(
                f"{row['channels']} ch, {row['rate_hz']:g} Hz, {row['chunk_ms']:g} ms, "
                f"{row['decoder']}{load}"
            )
            relay = row["floor"]["relay"]
            _span(axes, place - 0.13, row["p50_ms"], row["p99_ms"], _OURS)
            _span(axes, place + 0.13, relay["p50_ms"], relay["p99_ms"], _OTHERS)
        _named(axes, names)
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds from push to client: p50 (dot) to p99")
        _legend(axes, {"Volition": _OURS, "bare relay": _OTHERS})
        return _svg(figure)


def peers(rows: Sequence[dict[str, Any]]) -> str:
    """Draw latency and processor time of each contender."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 1.0 + 0.35 * len(rows)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for place, row in enumerate(rows):
            colour = _OURS if row["name"].startswith("volition") else _OTHERS
            _span(left, place, row["p50_ms"], row["p99_ms"], colour)
            right.barh(place, 100 * row["cpu_share"], height=0.5, color=colour)
        _named(left, [row["name"] for row in rows])
        left.set_xscale("log")
        left.set_xlabel("milliseconds: p50 (dot) to p99")
        right.set_xlabel("% of a core")
        return _svg(figure)


def costs(report: dict[str, Any]) -> str:
    """Draw what stages and decoders cost by channels or features."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, group, title in zip(
            panels,
            ("stages", "decoders"),
            ("stages: a chunk of 20 ms at 1 kHz", "decoders: a decision, or a bin"),
            strict=True,
        ):
            lines: dict[str, list[tuple[int, float]]] = {}
            for row in report[group]:
                if row["axis"] == "channels" and "mean_us" in row:
                    name = " ".join(filter(None, (row["kind"], row["variant"])))
                    lines.setdefault(name, []).append((row["n_channels"], row["mean_us"]))
            colours = mpl.colormaps["tab20"]
            for index, (name, points) in enumerate(sorted(lines.items())):
                sizes, values = zip(*sorted(points), strict=True)
                style = "-o" if index < 20 else "--s"
                axes.loglog(
                    sizes, values, style, ms=2.5, lw=1, color=colours(index % 20), label=name
                )
            axes.set_title(title, fontsize=9)
            axes.set_xlabel("channels" if group == "stages" else "channels or features")
            axes.set_ylabel("µs of one thread")
            if lines:
                axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1, 1))
        return _svg(figure)


def capacity(report: dict[str, Any]) -> str:
    """Draw latency by the number of clients, and of sessions."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, key in zip(panels, ("clients", "sessions"), strict=True):
            counts = [row[key] for row in report[key]]
            for name, colour in (("p50", _OURS), ("p99", _THIRD)):
                values = [row[f"{name}_ms"] for row in report[key]]
                axes.plot(counts, values, "-o", ms=3, color=colour, label=name)
            axes.axhline(10, color=_OTHERS, lw=1, ls="--")
            axes.set_xlabel(key if key == "sessions" else "clients of one session")
            axes.set_ylabel("milliseconds")
            axes.set_ylim(bottom=0)
            axes.legend()
        panels[0].set_xscale("log")
        return _svg(figure)


def spectra(report: dict[str, Any]) -> str:
    """Draw the amplitude spectra of `volition.benchmarks.quality.simulated.spectrum`."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        shown = {
            f"{report['n_real']} recordings of people": ("real", _OTHERS),
            f"{report['n_simulated']} simulated people": ("simulated", _OURS),
        }
        for name, (key, colour) in shown.items():
            axes.plot(report["freqs_hz"], report[key], color=colour, lw=1.2, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = [1, 2, 4, 8, 13, 17, 21, 30, 50]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("Hz")
        axes.set_ylabel("uV per root of Hz")
        axes.legend(loc="best")
        return _svg(figure)


def idle_curves(reports: dict[str, dict[str, Any]]) -> str:
    """Draw false selections a minute against share selected, of each report of a sweep."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for place, (name, report) in enumerate(reports.items()):
            points = report["idle_curve"]["points"]
            colour = _IN_TURN[place % len(_IN_TURN)]
            false = [point["false_selections_per_min"] for point in points]
            share = [100 * point["selected_share"] for point in points]
            axes.plot(false, share, "-o", ms=4, color=colour, label=name)
            chosen = report["false_selections_per_min"], 100 * report["selected_share"]
            axes.plot(*chosen, "D", ms=8, mfc="none", color=colour)
        axes.axvline(1.0, color="black", lw=0.8, ls=":")
        axes.set_xlim(0, 6)
        axes.set_ylim(0, 100)
        axes.set_xlabel("false selections a minute at rest (diamond: the preset)")
        axes.set_ylabel("% of trials with a flicker that are selected")
        axes.legend(loc="lower right")
        return _svg(figure)


def promises(reports: dict[str, dict[str, Any]]) -> str:
    """Draw the accuracy of recordings against what the calibration before them stated.

    Filled points are of calibrations that were judged by leaving recordings out.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color="black", lw=0.8, ls=":")
        for place, (name, report) in enumerate(reports.items()):
            colour = _IN_TURN[place % len(_IN_TURN)]
            axes.plot([], [], "o", ms=5, color=colour, label=name)
            for recording, (promised, given) in promised_and_given(report).items():
                of_blocks = report["per_recording"][recording].get("left_out") == "blocks"
                face = "white" if of_blocks else colour
                axes.plot(100 * promised, 100 * given, "o", ms=5, color=colour, mfc=face)
        axes.axhline(100 * next(iter(reports.values()))["chance"], color="black", lw=0.8)
        axes.set_xlim(30, 102)
        axes.set_ylim(30, 102)
        axes.set_xlabel("% right, as the calibration on earlier recordings stated")
        axes.set_ylabel("% right in the next recording (line: chance)")
        axes.legend(loc="lower right")
        return _svg(figure)


def _span(axes: Any, place: float, p50: float, p99: float, colour: str) -> None:
    axes.plot([p50, p99], [place, place], color=colour, lw=2, solid_capstyle="round")
    axes.plot([p50], [place], "o", ms=4, color=colour)


def _named(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()


def _legend(axes: Any, colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        axes.plot([], [], "-o", ms=4, color=colour, label=name)
    axes.legend(loc="best")


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    # matplotlib leaves blanks at the ends of lines.
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
