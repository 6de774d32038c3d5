"""``volition bridge``: boards, ports and files as LSL streams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from volition.service.cli.options import progress

if TYPE_CHECKING:
    from volition.streams.bridge.lines import LineFormat
    from volition.streams.bridge.source import Source

NameOption = Annotated[
    str | None, typer.Option("--name", help="Name of the stream; the source's own when left out.")
]
SourceIdOption = Annotated[
    str | None, typer.Option("--source-id", help="Source id; the source's own when left out.")
]
RateOption = Annotated[float, typer.Option("--rate", min=0.01, help="Samples a second.")]
LabelsOption = Annotated[
    str, typer.Option("--labels", help="Names of the channels, parted by commas: Oz,O1,O2.")
]
UnitsOption = Annotated[str, typer.Option("--units", help="Unit of the numbers: uV, mV, V.")]
KindOption = Annotated[str, typer.Option("--kind", help="Kind of the channels: EEG, EMG, ...")]
ScaleOption = Annotated[
    float, typer.Option("--scale", help="What each number is multiplied by, to be in the unit.")
]
CounterOption = Annotated[
    int | None,
    typer.Option("--counter", min=0, help="Column, from 0, that counts samples, if one does."),
]
ModulusOption = Annotated[
    int, typer.Option("--modulus", min=2, help="The counter begins again at 0 before this.")
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", min=0, help="End by itself after this long.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Boards, ports and files as LSL streams.", no_args_is_help=True)
    group.command()(brainflow)
    group.command()(serial)
    group.command()(udp)
    group.command()(file)
    app.add_typer(group, name="bridge")


def brainflow(
    board: Annotated[str, typer.Option(help="Its name (cyton, muse-2, synthetic), or number.")],
    serial_port: Annotated[str | None, typer.Option(help="Port of its dongle.")] = None,
    mac_address: Annotated[str | None, typer.Option(help="Its Bluetooth address.")] = None,
    ip_address: Annotated[str | None, typer.Option(help="Its address in the network.")] = None,
    ip_port: Annotated[int | None, typer.Option(help="Its port there.")] = None,
    serial_number: Annotated[str | None, typer.Option(help="Its serial number.")] = None,
    file: Annotated[Path | None, typer.Option(help="What the board 'playback-file' plays.")] = None,
    master: Annotated[
        str | None, typer.Option(help="Board that made the file, or that is relayed.")
    ] = None,
    other_info: Annotated[str | None, typer.Option(help="What else a board needs.")] = None,
    timeout_s: Annotated[int | None, typer.Option(min=1, help="Time to find it, seconds.")] = None,
    signal: Annotated[
        Literal["EEG", "EMG", "ECG", "EOG"], typer.Option(help="Which of its channels.")
    ] = "EEG",
    command: Annotated[
        list[str] | None, typer.Option(help="Sent to the board first; may be repeated.")
    ] = None,
    name: NameOption = None,
    source_id: SourceIdOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Publish a board that BrainFlow knows, until interrupted.

    A board that is lost is looked for again; its stream stays.
    """
    from volition.streams.bridge.brainflow import BoardOptions, BrainFlowSource, board_number

    given: dict[str, Any] = {
        "serial_port": serial_port,
        "mac_address": mac_address,
        "ip_address": ip_address,
        "ip_port": ip_port,
        "serial_number": serial_number,
        "file": None if file is None else str(file),
        "master_board": None if master is None else board_number(master),
        "other_info": other_info,
        "timeout": timeout_s,
    }
    parameters = {key: value for key, value in given.items() if value is not None}
    options = BoardOptions(board, signal, parameters, tuple(command or ()))
    _run(BrainFlowSource(options), name, source_id, seconds, type=signal)


def serial(
    port: Annotated[str, typer.Option(help="Path of the port, such as /dev/ttyUSB0, or COM3.")],
    rate: RateOption,
    labels: LabelsOption,
    baud: Annotated[int, typer.Option(min=50, help="Bits a second.")] = 115200,
    units: UnitsOption = "uV",
    kind: KindOption = "EEG",
    scale: ScaleOption = 1.0,
    counter: CounterOption = None,
    modulus: ModulusOption = 256,
    name: NameOption = None,
    source_id: SourceIdOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Publish lines of numbers that come from a serial port, a sample a line."""
    from volition.streams.bridge.lines import SerialSource

    form = _format(rate, labels, units, kind, scale, counter, modulus)
    _run(SerialSource(port, baud, form), name, source_id, seconds, type=kind)


def udp(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")],
    rate: RateOption,
    labels: LabelsOption,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    units: UnitsOption = "uV",
    kind: KindOption = "EEG",
    scale: ScaleOption = 1.0,
    counter: CounterOption = None,
    modulus: ModulusOption = 256,
    name: NameOption = None,
    source_id: SourceIdOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Publish lines of numbers that come in UDP datagrams, a sample a line."""
    from volition.streams.bridge.lines import UdpSource

    form = _format(rate, labels, units, kind, scale, counter, modulus)
    _run(UdpSource(host, port, form), name, source_id, seconds, type=kind)


def file(
    recording: Annotated[Path, typer.Argument(help="XDF, EDF, BDF, BrainVision or FIF.")],
    signal: Annotated[
        str | None,
        typer.Option("--signal", help="Name, source id or number of the signal in the file."),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    name: NameOption = None,
    source_id: SourceIdOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Publish the signal of a recording in real time.

    'volition simulate' plays its markers too.
    """
    from volition.streams.bridge.files import FileSource

    source = FileSource(recording, stream=signal, loop=loop)
    _run(source, name, source_id, seconds, type="EEG")


def _format(
    rate: float,
    labels: str,
    units: str,
    kind: str,
    scale: float,
    counter: int | None,
    modulus: int,
) -> LineFormat:
    from volition.streams.bridge.lines import LineFormat

    named = tuple(one.strip() for one in labels.split(",") if one.strip())
    return LineFormat(rate, named, units, kind, counter, modulus, scale)


def _run(
    source: Source,
    name: str | None,
    source_id: str | None,
    seconds: float | None,
    *,
    type: str,
) -> None:
    import signal as signals
    import threading

    from volition.streams.bridge.bridge import Bridge

    stop = threading.Event()
    for one in (signals.SIGINT, signals.SIGTERM):
        signals.signal(one, lambda *_: stop.set())
    if seconds is not None:
        timer = threading.Timer(seconds, stop.set)
        timer.daemon = True
        timer.start()

    def say(state: str, reason: str) -> None:
        progress(f"{state}: {reason}")

    bridge = Bridge(source, name=name, type=type, source_id=source_id, on_state=say)
    done = bridge.run(stop)
    lost = f", {done.lost} lost on the way" if done.lost else ""
    progress(f"{done.samples} samples{lost}, {done.connections} connections")
