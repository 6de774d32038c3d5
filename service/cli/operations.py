"""``volition service``: what runs and watches the service on a machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from volition.children import python_module
from volition.errors import ConfigError
from volition.service.cli.options import JsonOption, print_json, progress

#: What the service finds in its environment as it is set where the unit is written.
_PASSED_ON = ("LSLAPICFG", "VOLITION_TOKENS")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="Run the service with the machine, and have it watched.", no_args_is_help=True
    )
    group.command("install")(install)
    group.command()(monitoring)
    app.add_typer(group, name="service")


def install(
    settings: Annotated[
        Path | None,
        typer.Option(help="Settings file of the service, as of 'volition serve --settings'."),
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="For the whole machine; a user's own when left out.")
    ] = False,
    run_as: Annotated[
        str | None, typer.Option(help="User that a unit of the whole machine runs as.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the unit is written; systemd's own when left out.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a unit that is there and differs.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write a systemd unit that starts the service with the machine, or when this user logs in.

    It starts nothing; what to run then is printed.
    """
    from volition.service.cli.serve import read_settings
    from volition.service.operations import unit
    from volition.service.sessions.folders import data_folder

    if system != (run_as is not None):
        raise ConfigError("--system and --run-as go together: name the user that it runs as")
    command = python_module("volition.service.cli", "serve", "--json")
    if settings is not None:
        read_settings(settings)  # a wrong one is told now, and not by a service that does not start
        command += ["--settings", str(settings.resolve())]
    data = Path("/var/lib/volition") if system else data_folder()
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    made = unit.Unit(command, data.resolve(), run_as, environment)
    path = unit.install(made, folder or unit.usual_folder(system=system), replace=replace)
    systemctl = "systemctl" if system else "systemctl --user"
    steps = [f"{systemctl} daemon-reload", f"{systemctl} enable --now volition"]
    if system:
        steps.insert(0, f"install -d -o {run_as} -m 700 {made.data}")
    if json:
        print_json({"unit": str(path), "data": str(made.data), "then": steps})
        return
    progress(f"wrote {path}; what is left to run:")
    for step in steps:
        print(step)


def monitoring(
    folder: Annotated[Path, typer.Argument(help="Where the two files are written.")],
    json: JsonOption = False,
) -> None:
    """Write a Grafana dashboard and Prometheus alert rules of the service's metrics."""
    from importlib import resources
    from json import dumps

    from volition.service.operations.dashboard import dashboard

    alerts = (resources.files("volition.service.operations") / "alerts.yaml").read_text("utf-8")
    files = {
        "volition-dashboard.json": dumps(dashboard(), indent=2) + "\n",
        "volition-alerts.yaml": alerts,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None
    if json:
        print_json({"files": [str(folder / name) for name in files]})
    else:
        progress("wrote " + " and ".join(str(folder / name) for name in files))
