"""Start a session from a preset and ask for a page's ticket: python start_preset.py PRESET [URL]"""

from __future__ import annotations

import os
import sys

import yaml

from volition.service.client import Client


def main(preset: str, url: str = "http://127.0.0.1:8765") -> None:
    """Print the session's id, and an address by which a page opens its socket once."""
    with Client(url, token=os.environ.get("VOLITION_TOKEN")) as client:
        known = {one.name: one.text for one in client.presets()}
        if preset not in known:
            sys.exit(f"no preset {preset}; there are: {', '.join(known)}")
        session = client.create_session(yaml.safe_load(known[preset]))
        ticket = client.ticket().ticket
        socket = f"{url.replace('http', 'ws', 1)}/v1/sessions/{session.id}/intents"
        print(session.id, f"{socket}?ticket={ticket}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
