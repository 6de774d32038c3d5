"""What stands behind a table: what is measured, and what is kept of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig, load_config

RESULTS = Path(__file__).parent / "results"

Results = Mapping[str, Mapping[str, Any]]


Keep = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes what tables need from an answer."""


class Measurement(Protocol):
    """Something that is measured for a table, by the name that tables ask for it by."""

    @property
    def name(self) -> str: ...

    def measure(self, data: Path) -> dict[str, Any]:
        """Measure; give what is kept. ``data`` is the folder of the data sets."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation.

    Attributes
    ----------
    name
        Name by which tables ask for it.
    dataset
        Name of the data set; its folder has the name of ``folder``.
    session
        Preset.
    keep
        What is kept of the answer.
    decoder
        What is changed in the preset's decoder.
    stages
        What is changed in the settings of the preset's stages, by kind.
    cleaned_by
        A stage that takes the place of the preset's last one, if any.
    folder
        Where the data set lies in the folder of data, where its name is another.
    """

    name: str
    dataset: str
    session: str
    keep: Keep
    decoder: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cleaned_by: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""

    def config(self) -> SessionConfig:
        """Give the session."""
        given = load_config(self.session).model_dump(mode="json")
        given["decoder"] |= self.decoder
        given["stages"] = [one | self.stages.get(one["kind"], {}) for one in given["stages"]]
        if self.cleaned_by:
            given["stages"][-1] = self.cleaned_by
        return SessionConfig.model_validate(given)

    def measure(self, data: Path) -> dict[str, Any]:
        """Evaluate; give what is kept, with how it was made."""
        answer = evaluate(self.dataset, data / (self.folder or self.dataset), self.config())
        made = {"dataset": self.dataset, "session": self.session}
        names = ("decoder", "stages", "cleaned_by")
        changed = {name: dict(getattr(self, name)) for name in names}
        return made | {name: one for name, one in changed.items() if one} | self.keep(answer)


@dataclass(frozen=True, slots=True)
class Made:
    """A measurement of another kind: of people who are simulated, or of a part of a data set.

    Attributes
    ----------
    name
        Name by which tables ask for it.
    make
        Measures, given the folder of the data sets.
    """

    name: str
    make: Callable[[Path], dict[str, Any]]

    def measure(self, data: Path) -> dict[str, Any]:
        """Measure."""
        return self.make(data)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the documentation with tables.

    Attributes
    ----------
    name
        Name of the page and of the file of results.
    runs
        What is measured.
    tables
        Gives each table, by the name of its mark, from the results.
    """

    name: str
    runs: Sequence[Measurement]
    tables: Mapping[str, Callable[[Results], str]]

    def results(self) -> dict[str, Any]:
        """Read what is kept; nothing where nothing was measured yet."""
        path = RESULTS / f"{self.name}.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def measure(self, data: Path, only: Iterable[str], say: Callable[[str], None]) -> None:
        """Run what is named (everything, if nothing is), and keep it run by run."""
        wanted = set(only)
        unknown = sorted(wanted - {run.name for run in self.runs})
        if unknown:
            raise ConfigError(
                f"{self.name} has no run {', '.join(unknown)}; allowed: "
                f"{', '.join(run.name for run in self.runs)}",
                found=unknown,
            )
        for run in self.runs:
            if not wanted or run.name in wanted:
                say(run.name)
                measured = run.measure(data)
                self._keep(self.results() | {run.name: measured})

    def _keep(self, results: Results) -> None:
        """Write the results of what is measured still, each on a line of its own."""
        lines = [
            f"{_json(run.name)}: {_json(_rounded(results[run.name]))}"
            for run in self.runs
            if run.name in results
        ]
        text = ",\n".join(lines)
        (RESULTS / f"{self.name}.json").write_text(f"{{\n{text}\n}}\n", "utf-8")

    def written(self, text: str) -> str:
        """Give the page's text with its tables made anew of what is kept."""
        results = self.results()
        for name, table in self.tables.items():
            start, end = f"<!-- table: {name} -->\n", f"<!-- end of {name} -->"
            before, found, rest = text.partition(start)
            _, closed, after = rest.partition(end)
            if not found or not closed:
                raise ConfigError(f"the page {self.name} has no marks for the table {name!r}")
            text = f"{before}{start}{table(results)}{end}{after}"
        return text


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _rounded(value: Any) -> Any:
    """Round numbers to six digits: beyond them machines differ."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value


# -- tables ------------------------------------------------------------------------------------

NOT_MEASURED = "Not measured anew yet.\n"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """Give a number; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def with_interval(value: float | None, interval: Sequence[float] | None, digits: int = 3) -> str:
    """Give a number with its interval in brackets."""
    if value is None or interval is None:
        return number(value, digits)
    return f"{value:.{digits}f} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def signed_points(found: Mapping[str, Any]) -> str:
    """Give a paired difference of shares in points, with its interval and who gains."""
    if found["difference"] is None:
        return "-"
    text = f"{100 * found['difference']:+.1f}"
    if found["interval"] is not None:
        low, high = (100 * one for one in found["interval"])
        text += f" ({low:+.1f} to {high:+.1f})"
    return f"{text}; better {found['better']}, worse {found['worse']} of {found['n']}"
