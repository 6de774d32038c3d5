"""``volition bench``: decoders and simulated people, and drawings of evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from volition.benchmarks.commands.output import last_json, print_report
from volition.service.cli.options import JsonOption, progress


def register(bench: typer.Typer) -> None:
    """Add the commands of this module."""
    bench.command("closed-loop")(closed_loop)
    bench.command()(speller)
    bench.command()(spectrum)
    bench.command()(idle)
    bench.command()(promises)
    bench.command()(paired)
    bench.command()(tables)


def closed_loop(
    trials: Annotated[int, typer.Option(min=1, help="Trials of each decoder.")] = 40,
    disturbed: Annotated[
        int, typer.Option(min=0, help="Further trials of each, in which the best unit is 5 SD off.")
    ] = 40,
    task: Annotated[str, typer.Option(help="Task: radial-8, random, grid or fitts.")] = "radial-8",
    seed: Annotated[int, typer.Option(help="Seed of the simulated person.")] = 0,
    calibration: Annotated[
        bool,
        typer.Option(help="Have one decoder start with no model and calibrate for three minutes."),
    ] = True,
    json: JsonOption = False,
) -> None:
    """Have a simulated person move the cursor through the service, with all decoders at once."""
    from volition.benchmarks.quality.simulated.closed_loop import closed_loop as run
    from volition.streams import lsl
    from volition.streams.simulated.cursor_participant import CursorParticipant
    from volition.streams.simulated.cursor_tasks import TASKS

    if task not in TASKS:
        raise typer.BadParameter(f"{task!r}; allowed: {', '.join(TASKS)}", param_hint="--task")
    with lsl.own_network():
        result = run(
            task_name=task,
            n_trials=trials,
            n_disturbed=disturbed,
            participant=CursorParticipant(seed=seed),
            guide_s=180.0 if calibration else None,
            on_step=progress,
        )
    print_report({"task": task, **result}, json)


def speller(
    people: Annotated[int, typer.Option(min=1, help="Simulated participants.")] = 2,
    network: Annotated[
        bool, typer.Option(help="Train the two-stage network too (minutes).")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Score each SSVEP decoder among forty targets, by length of the window."""
    from volition.benchmarks.quality.simulated.speller import speller as run

    print_report(run(people, say=progress, network=network), json)


def spectrum(
    root: Annotated[Path, typer.Option(help="Folder of ssvep_exo.")],
    out: Annotated[
        Path | None, typer.Option(help="File to draw it into, as docs/ssvep-spectrum.svg.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Set the amplitude spectrum of the simulated participant beside that of real people."""
    from volition.benchmarks.quality.simulated.spectrum import spectra

    result = spectra(root)
    if out is not None:
        from volition.benchmarks import drawings

        out.write_text(drawings.spectra(result), "utf-8")
    print_report(result, json)


def idle(
    reports: Annotated[
        list[str], typer.Argument(help="NAME=REPORT, each of `evaluate --idle-sweep --json`.")
    ],
    out: Annotated[Path, typer.Option(help="File to draw into.")] = Path("docs/ssvep-idle.svg"),
) -> None:
    """Draw false selections a minute at rest against the share of trials that are selected."""
    from volition.benchmarks import drawings

    out.write_text(drawings.idle_curves(_named_reports(reports)), "utf-8")


def _named_reports(given: list[str]) -> dict[str, Any]:
    named = dict(one.split("=", 1) for one in given if "=" in one)
    if len(named) < len(given):
        raise typer.BadParameter("each must be NAME=REPORT, and each name another")
    return {name: last_json(Path(path)) for name, path in named.items()}


def promises(
    reports: Annotated[
        list[str],
        typer.Argument(help="NAME=REPORT, each of `evaluate --json` of a calibrated decoder."),
    ],
    out: Annotated[Path, typer.Option(help="File to draw into.")] = Path(
        "docs/ssvep-calibration.svg"
    ),
    json: JsonOption = False,
) -> None:
    """Set what calibrations stated against what the next recording gave, and draw it."""
    from volition.benchmarks import drawings
    from volition.benchmarks.quality.evaluation.promises import kept

    named = _named_reports(reports)
    out.write_text(drawings.promises(named), "utf-8")
    print_report({name: kept(report) for name, report in named.items()}, json)


def paired(
    first: Annotated[Path, typer.Argument(help="Report of `evaluate --json`.")],
    second: Annotated[Path, typer.Argument(help="Another, of the same people.")],
    figure: Annotated[
        str, typer.Option(help="What is compared, of those in by_person.")
    ] = "accuracy",
    json: JsonOption = False,
) -> None:
    """Say how much better the second of two evaluations is, paired by person, with its interval."""
    from volition.benchmarks.quality.evaluation.clustered import paired_difference

    values = []
    for path in (first, second):
        people = last_json(path).get("by_person", {})
        values.append(
            {who: one[figure] for who, one in people.items() if one.get(figure) is not None}
        )
    if not values[0].keys() & values[1].keys():
        raise typer.BadParameter(f"the two reports have no person in common with {figure!r}")
    print_report({"figure": figure, **paired_difference(*values)}, json)


def tables(
    page: Annotated[str, typer.Argument(help="Page of the documentation.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data sets: measure anew. Left out, write what is kept."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Measure this run alone; may be repeated.")
    ] = None,
    docs: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs"),
) -> None:
    """Measure what a page's tables state, and write them."""
    from volition.benchmarks.quality.documents.pages import PAGES

    if page not in PAGES:
        raise typer.BadParameter(f"{page!r}; allowed: {', '.join(PAGES)}", param_hint="PAGE")
    if data is not None:
        PAGES[page].measure(data, only or (), progress)
    path = docs / f"{page}.md"
    path.write_text(PAGES[page].written(path.read_text("utf-8")), "utf-8")
