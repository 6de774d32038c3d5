"""The systemd unit that runs the service: written here, read by systemd.

A unit of a user (``systemctl --user``) runs as that user, with that user's data; one of the system
as the user that it names. The unit forbids what the service never does: to gain privileges, and, in
a unit of the system, to write outside its data and to load kernel modules.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from volition.errors import ConfigError

UNIT_NAME = "volition.service"

_TEXT = """\
[Unit]
Description=Volition, a real-time brain-computer interface service
After=network.target sound.target
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=exec
ExecStart={command}
{settings}Restart=on-failure
RestartSec=1
# The workers are told to end and are waited for.
KillMode=mixed
TimeoutStopSec=20
LimitNOFILE=16384
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
{walls}
[Install]
WantedBy={target}
"""
#: What systemd can forbid in units of the system alone.
_WALLS = """\
RestrictSUIDSGID=yes
ProtectSystem=strict
ReadWritePaths={data}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit is made of.

    Attributes
    ----------
    command
        The program and its arguments; the program's path is absolute.
    data
        The folder that the service keeps everything in.
    user
        Who it runs as, in a unit of the system; None in one of a user.
    environment
        What the service finds in its environment.
    """

    command: Sequence[str]
    data: Path
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Write the unit."""
        settings = [f"User={self.user}"] if self.user else []
        variables = {"VOLITION_DATA": str(self.data), **self.environment}
        settings += [f"Environment={_quoted(f'{k}={v}')}" for k, v in variables.items()]
        return _TEXT.format(
            command=" ".join(map(_quoted, self.command)),
            settings="".join(f"{line}\n" for line in settings),
            walls=_WALLS.format(data=_quoted(str(self.data))) if self.user else "",
            target="multi-user.target" if self.user else "default.target",
        )


def usual_folder(*, system: bool) -> Path:
    """Give where systemd looks for a unit of this user, or of the system."""
    if system:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def install(unit: Unit, folder: Path, *, replace: bool) -> Path:
    """Write a unit's file, and make the folder of its data; give the file.

    Raises
    ------
    ConfigError
        Another unit is there already, or it cannot be written.
    """
    path, text = folder / UNIT_NAME, unit.text()
    try:
        if path.exists() and not replace and path.read_text("utf-8") != text:
            raise ConfigError(f"{path} is there already and differs; --replace writes it anew")
        if unit.user is None:
            unit.data.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _quoted(word: str) -> str:
    """Write a word so that systemd reads it as one, and fills nothing in."""
    if any(ord(one) < 32 for one in word):
        raise ConfigError(f"a unit holds no control characters, found {word!r}")
    plain = word.replace("%", "%%").replace("$", "$$")
    if plain and not any(one in plain for one in " \"'\\;"):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
