"""The demonstration's live table in the terminal."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from volition.service.cli.demonstration import Trial
from volition.service.cli.options import cells


class DemoTable:
    """A table that grows by one row a decision, below it what goes on now.

    Parameters
    ----------
    console
        Where to draw; where it is no terminal the table is printed once, at the end.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._table = Table(title="Volition: EEG in, intents out", caption="starting", width=78)
        for column in ("trial", "looked at", "decoded", "", "confidence", "decided in", "latency"):
            self._table.add_column(column, justify="right")
        self._live = Live(self._table, console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._table.caption = None
        self._live.__exit__(kind, error, traceback)

    def say(self, text: str) -> None:
        """Show what goes on."""
        self._table.caption = text
        self._live.refresh()

    def cue(self, looked_at: str) -> None:
        """Show what the person is asked to look at now."""
        self.say(f"the person is asked to look at {looked_at} ...")

    def trial(self, trial: Trial) -> None:
        """Add a decision."""
        self._table.add_row(
            str(trial.number),
            *cells(trial.looked_at, trial.decoded),
            "[green]right[/]" if trial.right else "[red]wrong[/]",
            f"{trial.confidence:.2f}",
            f"{trial.decision_s:.2f} s",
            f"{trial.latency_s * 1e3:.2f} ms",
        )
        self.say("")

    def summary(self, figures: dict[str, Any]) -> None:
        """Say how it went."""
        low, high = figures["interval"]
        latency, rest = figures["latency_ms"], figures["rest"]
        self._console.print()
        self._console.print(
            f"{figures['right']} of {figures['trials']} trials right "
            f"({figures['accuracy']:.0%}, 95 % interval {low:.0%} to {high:.0%}, "
            f"chance {figures['chance']:.0%}), {figures['itr_bits_per_min']:.1f} bits/min; "
            f"idle in {rest['idle']} of {rest['trials']} at rest\n"
            f"newest sample to client: p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms; "
            f"{figures['intents']} intents, {figures['lost']} lost"
        )

    def save(self, path: Path) -> None:
        """Save what was drawn as an SVG that loads nothing from elsewhere."""
        picture = self._console.export_svg(title="volition demo")
        path.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), "utf-8")
