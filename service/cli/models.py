"""``volition models``: the model registry of this machine, or of a running service."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volition.service.cli.options import JsonOption, cells, print_json, progress

if TYPE_CHECKING:
    from volition.models.manifest import Manifest, ModelCard

_LONGEST_LINE = 1000

ReferenceArgument = Annotated[str, typer.Argument(help="NAME, or NAME@VERSION.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Fitted models that sessions decode by.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(show)
    group.command()(add)
    group.command()(remove)
    app.add_typer(group, name="models")


def list_(json: JsonOption = False) -> None:
    """List the models: those that ship, and every version that was calibrated or added."""
    from rich.console import Console
    from rich.table import Table

    from volition.service.sessions.named_models import model_registry

    found = model_registry().all_versions()
    if json:
        print_json({"models": [one.model_dump(mode="json") for one in found]})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "decoder", "from", "accuracy", "made (UTC)"):
        table.add_column(column, no_wrap=True)
    for one in found:
        table.add_row(*cells(one.reference, one.kind, one.origin, _accuracy(one), _made(one)))
    # A name that is cut cannot be copied: the terminal may break a line that is too long.
    Console(width=_LONGEST_LINE).print(table)


def show(reference: ReferenceArgument, json: JsonOption = False) -> None:
    """Show the manifest of a version, the newest of a name alone."""
    from volition.service.sessions.named_models import model_registry

    found = model_registry().find(reference)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print(found.model_dump_json(indent=2))


def add(
    file: Annotated[Path, typer.Argument(help="A fitted model's .npz file.")],
    name: Annotated[str, typer.Option(help="Lower case, digits, - and _.")],
    card: Annotated[
        Path | None,
        typer.Option(help="JSON: kind, input, decoder, training, scores, licence, note."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            help="Session file or preset of the decoder that it is for, where the card says none.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Add a model as the newest version of a name, if it is what its card says."""
    from volition.decoders.fitting.fitted import read_model
    from volition.errors import ModelError
    from volition.service.sessions.config import load_config
    from volition.service.sessions.named_models import model_registry

    try:
        content = file.read_bytes()
        text = None if card is None else card.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file} or its card cannot be read: {error}") from None
    model = read_model(content, str(file))
    described = _card_of(text, model.kind)
    if session is not None and described.decoder is None:
        settings = load_config(session).decoder.model_dump(mode="json")
        described = described.model_copy(update={"decoder": settings})
    made = model_registry().add(name, content, described)
    if json:
        print_json(made.model_dump(mode="json"))
    else:
        progress(f"{made.reference}: version {made.number} of {name}, for {made.kind}")


def remove(reference: ReferenceArgument, json: JsonOption = False) -> None:
    """Remove a version, or every version of a name."""
    from volition.service.sessions.named_models import model_registry

    registry = model_registry()
    name, at, version = reference.partition("@")
    gone = [version] if at else [one.version for one in registry.versions(name)]
    for one in gone:
        registry.remove(name, one)
    if json:
        print_json({"name": name, "removed": gone})
    else:
        print(f"removed {len(gone)} of {name}", file=sys.stderr)


def _card_of(text: str | None, kind: str) -> ModelCard:
    from pydantic import ValidationError

    from volition.errors import ModelError
    from volition.models.manifest import ModelCard

    if text is None:
        return ModelCard(kind=kind)
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the card"
        raise ModelError(f"{where}: {first['msg']}") from None


def _accuracy(one: Manifest) -> str:
    accuracy = one.scores.get("accuracy")
    return f"{accuracy:.0%}" if isinstance(accuracy, float) else ""


def _made(one: Manifest) -> str:
    if one.origin == "shipped":
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.made_utc))
