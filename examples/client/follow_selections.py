"""Do something for each target that a person selects: python follow_selections.py SESSION [URL]"""

from __future__ import annotations

import os
import sys

from volition.service.client import Client


def main(session: str, url: str = "http://127.0.0.1:8765") -> None:
    """Print each selection while it may still be acted on."""
    with Client(url, token=os.environ.get("VOLITION_TOKEN")) as client:
        live = client.follow(session, kinds="selection")
        for message in live:
            if message.type == "intent" and message.kind == "selection" and live.fresh(message):
                print(message.label, f"{message.confidence:.2f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
