"""A page of a session: one HTML file that needs nothing else and asks for nothing.

It has no script; its policy lets it load nothing. Every text that comes from a recording, an
outlet's label as much as a marker, is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import yaml

from volition.service.reports.findings import Findings, Trials

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}
.bad{color:#c22;font-weight:600}svg{width:100%;height:auto}
pre{overflow:auto;background:#8881;padding:1rem}
text{font:11px system-ui,sans-serif;fill:currentColor}
"""
_WIDTH, _LEFT, _ROW = 900, 170, 18
_COLOURS = {
    "selection": "#0a7d4f",
    "class": "#2458b3",
    "click": "#a35a00",
    "cursor": "#2458b3",
    "idle": "#8888",
}
#: A channel that is so more than this share of the seconds is shown as bad.
_BAD_SHARE = 0.1
_BAD_LINE = 0.3
_MOST_NOTES = 200
_MOST_TICKS = 4000
_BINS = 30


def page(found: Findings) -> str:
    """Write the page."""
    title = f"Session {found.session}" if found.session else f"Recording {found.file}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        _about(found),
        _section("Trials", _trials(found.trials)) if found.trials else "",
        _section("Decisions", _decisions(found)) if found.intents else "",
        _section("Latency", _latency(found.latency_s)) if found.latency_s else "",
        _section("Signal", _signal(found)),
        _section("What happened", _notes(found)) if found.notes else "",
        _section("Configuration", _config(found)) if found.config else "",
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>"
        + "".join(parts)
        + f"<p><small>Written by Volition {_text(version('volition'))}.</small></p></body></html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _section(title: str, body: str) -> str:
    return f"<h2>{title}</h2>{body}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are HTML already."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _share(value: float, bad: float | None = None) -> str:
    text = f"{100 * value:.1f} %"
    return f'<span class="bad">{text}</span>' if bad is not None and value > bad else text


def _about(found: Findings) -> str:
    facts = {
        "File": found.file,
        "Signal": f"{len(found.channels)} channels, {found.rate_hz:g} Hz, "
        f"{found.duration_s / 60:.1f} min",
        "Decoder": found.decoder,
        "Decisions": len(found.intents) or "",
    }
    rows = [(_text(name), _text(value)) for name, value in facts.items() if value != ""]
    return _table(["", ""], rows)


def _trials(trials: Trials | None) -> str:
    assert trials is not None
    low, high = trials.interval
    said = (
        f"<p><b>{trials.right} of {trials.n} right</b> "
        f"({100 * trials.right / max(1, trials.n):.1f} %, 95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %). Rows: wanted; columns: decided.</p>"
    )
    rows = [
        [_text(label), *(f"<b>{n}</b>" if n else "" for n in counts)]
        for label, counts in zip(trials.labels, trials.counts, strict=True)
    ]
    return said + _table(["", *map(_text, trials.labels)], rows)


def _decisions(found: Findings) -> str:
    counts = sorted(found.counts.items(), key=lambda one: -one[1])
    rows = [
        (f"{_text(kind)} {_text(said)}", str(n), _share(n / len(found.intents)))
        for (kind, said), n in counts
    ]
    return _timeline(found) + _table(["decision", "times", "share"], rows)


def _timeline(found: Findings) -> str:
    """Draw each decision as a tick, a row for each kind and label."""
    lanes = sorted(found.counts, key=lambda one: (one[0] == "idle", one))[:40]
    place = {lane: n for n, lane in enumerate(lanes)}
    shown = found.intents[:: -(-len(found.intents) // _MOST_TICKS)]
    scale = (_WIDTH - _LEFT) / max(found.duration_s, 1e-9)
    marks = []
    for t, kind, said in shown:
        if (kind, said) in place:
            x, y = _LEFT + max(0.0, t) * scale, place[kind, said] * _ROW
            colour = _COLOURS.get(kind, "#8888")
            marks.append(f'<rect x="{x:.1f}" y="{y + 3}" width="1.5" height="12" fill="{colour}"/>')
    names = [
        f'<text x="0" y="{n * _ROW + 13}">{_text(kind)} {_text(said[:16])}</text>'
        for n, (kind, said) in enumerate(lanes)
    ]
    height = len(lanes) * _ROW + 16
    ends = (
        f'<text x="{_LEFT}" y="{height - 2}">0 s</text>'
        f'<text x="{_WIDTH}" y="{height - 2}" text-anchor="end">{found.duration_s:.0f} s</text>'
    )
    return _svg(height, "Decisions over time", [*names, *marks, ends])


def _latency(seconds: Sequence[float]) -> str:
    ms = 1e3 * np.array(seconds)
    quantiles = np.percentile(ms, [50, 95, 99, 100])
    names = ("median", "95 %", "99 %", "most")
    numbers = [f"{one:.1f} ms" for one in quantiles]
    top = max(float(np.percentile(ms, 99.5)), 1e-6)
    counts, edges = np.histogram(np.clip(ms, 0.0, top), _BINS, (0.0, top))
    height, tallest = 120, max(1, int(counts.max()))
    step = (_WIDTH - _LEFT) / _BINS
    bars = [
        f'<rect x="{_LEFT + n * step:.1f}" y="{height - 18 - 95 * count / tallest:.1f}" '
        f'width="{step - 1:.1f}" height="{95 * count / tallest:.1f}" fill="#2458b3">'
        f"<title>{low:.1f} to {high:.1f} ms: {count}</title></rect>"
        for n, (count, (low, high)) in enumerate(zip(counts, pairwise(edges), strict=True))
    ]
    ends = (
        f'<text x="{_LEFT}" y="{height - 2}">0 ms</text>'
        f'<text x="{_WIDTH}" y="{height - 2}" text-anchor="end">{top:.1f} ms</text>'
    )
    about = "<p>From the newest sample that a decision used to the decision.</p>"
    return about + _table(names, [numbers]) + _svg(height, "Latency", [*bars, ends])


def _signal(found: Findings) -> str:
    rows = [
        (
            _text(one.label),
            f"{one.rms:.1f}",
            _share(one.line_noise, _BAD_LINE),
            _share(one.flat, _BAD_SHARE),
            _share(one.saturated, _BAD_SHARE),
            _share(one.missing, _BAD_SHARE),
        )
        for one in found.channels
    ]
    columns = ["channel", "RMS, µV", "line noise", "flat", "saturated", "missing"]
    lost = sum(length for _, length in found.gaps)
    gaps = f"<p>{len(found.gaps)} gaps, {lost:.1f} s in all.</p>" if found.gaps else ""
    return _table(columns, rows) + gaps


def _notes(found: Findings) -> str:
    rows = [(f"{t:.1f} s", _text(note)) for t, note in found.notes[:_MOST_NOTES]]
    left_out = len(found.notes) - len(rows)
    return _table(["when", "what"], rows) + (f"<p>and {left_out} more</p>" if left_out else "")


def _config(found: Findings) -> str:
    written = yaml.safe_dump(dict(found.config or {}), sort_keys=False, allow_unicode=True)
    return f"<details><summary>as recorded</summary><pre>{_text(written)}</pre></details>"


def _svg(height: int, title: str, parts: Iterable[str]) -> str:
    box = f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}"'
    return f"<svg {box}>{''.join(parts)}</svg>"
