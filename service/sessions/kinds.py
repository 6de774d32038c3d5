"""All that is known of what is installed: stages, decoders, outputs, data sets, and what failed.

It is asked of the parts themselves (`volition.extension`, `volition.decoders.registry`), so that
the list of the command line, of the API, of the console and of the documentation is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from volition import extension
from volition.decoders import registry
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage
from volition.decoders.contract.trials import ClassTrials, PositionTrials, TargetTrials
from volition.decoders.fitting.decoder import FittedDecoder
from volition.extension import Broken, Group

Family = Literal["stages", "decoders", "outputs", "datasets"]
TrialsName = Literal["targets", "classes", "positions"]

_TRIALS: dict[type[Any], TrialsName] = {
    TargetTrials: "targets",
    ClassTrials: "classes",
    PositionTrials: "positions",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of one kind.

    Attributes
    ----------
    family, kind
        What it is, and what a configuration or a command names it by.
    summary
        The first sentence of its docstring, or what it says of itself.
    distribution
        Name of the installed package that brings it.
    settings_schema
        JSON schema of its settings; None where a configuration does not name it.
    example
        Settings that run, as YAML; None where it brings none.
    trials
        What a decoder's trials name; None where nobody can be asked for any.
    calibrated
        Whether a decoder is fitted to a person's trials.
    passed_on
        Settings that a decoder of another kind takes over from it; see `Settings.passed_on`.
    """

    family: Family
    kind: str
    summary: str
    distribution: str
    settings_schema: dict[str, Any] | None = None
    example: str | None = None
    trials: TrialsName | None = None
    calibrated: bool = False
    passed_on: tuple[str, ...] = ()


def known_kinds() -> list[Kind]:
    """Give every kind that is installed: stages, decoders, outputs, then data sets, by name."""
    return [
        *_configured("stages", "volition.stages", Stage),
        *_configured("decoders", "volition.decoders", Decoder),
        *_configured("outputs", "volition.outputs", object),
        *_data_sets(),
    ]


def broken_parts() -> tuple[Broken, ...]:
    """Give what is installed and cannot be used, of every group; see `extension.broken`."""
    known_kinds()
    extension.parts("volition.commands")
    return extension.broken()


def _configured(family: Family, group: Group, base: type[Any]) -> Iterator[Kind]:
    for kind, (part, cls) in sorted(extension.kinds(group, base).items()):
        example, trials = None, None
        try:
            for one in registry.examples_of(cls)[:1]:
                example = _written(one.settings)
                trials = _trials_of(cls, one.settings)
        except Exception as error:  # noqa: BLE001 - another's code may raise anything
            why = f"{type(error).__name__}: {error}"
            extension.leave_out(group, f"the example of {kind}", part.distribution, why)
        yield Kind(
            family,
            kind,
            extension.summary(cls),
            part.distribution,
            cls.settings_model.model_json_schema(),
            example,
            trials,
            calibrated=is_calibrated(cls),
            passed_on=getattr(cls.settings_model, "passed_on", ()),
        )


def _written(settings: Settings) -> str:
    plain = {"kind": settings.kind, **settings.model_dump(mode="json", exclude_unset=True)}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _trials_of(cls: type[Any], settings: Settings) -> TrialsName | None:
    return _TRIALS.get(type(cls.trials(settings))) if issubclass(cls, Decoder) else None


def is_calibrated(cls: type[Any]) -> bool:
    """Say whether a class is a decoder that is fitted to a person's trials."""
    if not issubclass(cls, FittedDecoder):
        return False
    own: Any = cls.calibrate
    refusing: Any = FittedDecoder.calibrate
    return own.__func__ is not refusing.__func__


def _data_sets() -> Iterator[Kind]:
    found: dict[str, Kind] = {}
    for part, one in extension.instances("volition.datasets", object):
        name, summary = getattr(one, "name", None), getattr(one, "summary", None)
        if isinstance(name, str) and isinstance(summary, str):
            found.setdefault(name, Kind("datasets", name, summary, part.distribution))
    yield from (found[name] for name in sorted(found))


# -- as a page ----------------------------------------------------------------------------------

_TITLES: dict[Family, str] = {
    "stages": "Stages",
    "decoders": "Decoders",
    "outputs": "Outputs",
    "datasets": "Data sets",
}
_HEAD = """# Kinds

What a session's configuration may name under `stages`, `decoder` and `outputs`, and the data sets
that `volition evaluate` knows. `volition kinds --markdown` writes this page from what is installed,
packages that add to Volition included; `volition kinds --json` and `GET /v1/kinds` tell more: each
kind's settings and an example.
"""
_ASKED: dict[TrialsName | None, str] = {
    "targets": "name a target",
    "classes": "name a class",
    "positions": "name a position",
    None: "",
}


def as_markdown(kinds: list[Kind]) -> str:
    """Write kinds as the page ``docs/kinds.md``."""
    parts = [_HEAD]
    for family, title in _TITLES.items():
        rows = [one for one in kinds if one.family == family]
        if not rows:
            continue
        of_decoders = family == "decoders"
        more = ["its trials", "fitted to them"] if of_decoders else []
        columns = ["kind", "what it does", *more, "from"]
        table = [columns, ["---"] * len(columns)]
        for one in rows:
            more = [_ASKED[one.trials], "yes" if one.calibrated else ""] if of_decoders else []
            table.append([f"`{one.kind}`", _plain(one.summary), *more, one.distribution])
        lines = ["| " + " | ".join(row) + " |" for row in table]
        parts.append(f"## {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _plain(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")
