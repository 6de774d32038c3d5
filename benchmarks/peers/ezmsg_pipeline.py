"""ezmsg: LSL inlet, Butterworth band-pass, and out by WebSocket or LSL.

Run by the interpreter of an environment that holds ezmsg, ezmsg-lsl, ezmsg-sigproc and
ezmsg-websocket; it imports nothing of Volition. Units and settings are those that the packages'
documentation names: ``proc_clocksync`` is its advice for whoever wants no dejittering, the rest
are defaults. Over the WebSocket go the newest stamp and the number of samples of each message,
which is as little as can be: the client unit connects to the subscriber, for the server unit of
ezmsg-websocket 1.1 does not serve on Python 3.11 and newer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import ezmsg.core as ez
import pylsl
from ezmsg.lsl.units import (
    LSLInfo,
    LSLInletSettings,
    LSLInletUnit,
    LSLOutletSettings,
    LSLOutletUnit,
)
from ezmsg.sigproc.butterworthfilter import ButterworthFilter, ButterworthFilterSettings
from ezmsg.util.messages.axisarray import AxisArray
from ezmsg.websocket.units import WebsocketClient, WebsocketSettings


class Stamps(ez.Unit):  # type: ignore[misc]  # ezmsg is not installed where types are checked
    """Say of each message when its newest sample was, and how many it holds."""

    INPUT = ez.InputStream(AxisArray)
    OUTPUT = ez.OutputStream(bytes)

    @ez.subscriber(INPUT)  # type: ignore[untyped-decorator]  # as above
    @ez.publisher(OUTPUT)  # type: ignore[untyped-decorator]  # as above
    async def stamp(self, message: AxisArray) -> AsyncGenerator[Any, None]:
        """Turn a message into JSON."""
        axis, n = message.axes["time"], message.data.shape[0]
        if n:
            newest = axis.data[-1] if hasattr(axis, "data") else axis.offset + (n - 1) * axis.gain
            yield self.OUTPUT, json.dumps({"t_sample": float(newest), "n": n}).encode()


def main(arguments: dict[str, Any]) -> None:
    """Run until killed."""
    inlet = LSLInletUnit(
        LSLInletSettings(
            info=LSLInfo(name=arguments["name"], type=arguments["type"]),
            use_lsl_clock=True,
            processing_flags=pylsl.proc_clocksync,
        )
    )
    low_hz, high_hz = arguments["band_hz"]
    band_pass = ButterworthFilter(
        ButterworthFilterSettings(
            order=arguments["order"], cuton=low_hz, cutoff=high_hz, coef_type="sos"
        )
    )
    components: dict[str, Any] = {"inlet": inlet, "band_pass": band_pass}
    connections: list[Any] = [(inlet.OUTPUT_SIGNAL, band_pass.INPUT_SIGNAL)]
    if arguments["out"] == "lsl":
        outlet = LSLOutletUnit(
            LSLOutletSettings(
                stream_name=arguments["out_name"], stream_type="EEG", assume_lsl_clock=True
            )
        )
        components["outlet"] = outlet
        connections.append((band_pass.OUTPUT_SIGNAL, outlet.INPUT_SIGNAL))
    else:
        stamps = Stamps()
        client = WebsocketClient(WebsocketSettings(host="127.0.0.1", port=arguments["port"]))
        components |= {"stamps": stamps, "client": client}
        connections += [(band_pass.OUTPUT_SIGNAL, stamps.INPUT), (stamps.OUTPUT, client.INPUT)]
    ez.run(components=components, connections=connections)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
