"""``volition config``: what a session file may say, and whether one is right."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated

import typer

from volition.service.cli.options import JsonOption, SourceArgument, print_json, progress


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Session files: their schema, and checks.", no_args_is_help=True)
    group.command()(schema)
    group.command()(check)
    app.add_typer(group, name="config")


def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; stdout when left out.")] = None,
) -> None:
    """Print the JSON schema of session files, by which an editor completes and checks them.

    It has the stages, decoders and outputs that are installed here, other packages' too.
    """
    from volition.service.sessions.schema import session_schema

    described = {
        **session_schema(),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Volition session",
    }
    text = json_.dumps(described, indent=2, ensure_ascii=False)
    if out is None:
        print(text)
        return
    out.write_text(text + "\n", "utf-8")
    progress(f"wrote {out}")


def check(source: SourceArgument, json: JsonOption = False) -> None:
    """Read a session file as the service would, and say what it asks for.

    Exits with 3 when it is wrong, and names each key that is.
    """
    from volition.service.sessions.config import load_config

    config = load_config(source)
    stages = [stage.kind for stage in config.stages]
    outputs = [output.kind for output in config.outputs]
    for deprecation in config.deprecations:
        progress(f"{source}: {deprecation}")
    if json:
        print_json(
            {
                "name": config.name,
                "stages": stages,
                "decoder": config.decoder.kind,
                "outputs": outputs,
                "deprecations": list(config.deprecations),
            }
        )
        return
    print(f"{source} is right: {' -> '.join([*stages, config.decoder.kind, *outputs])}")
