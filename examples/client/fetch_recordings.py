"""Download recordings and delete them there: python fetch_recordings.py FOLDER [URL]"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from volition.service.client import Client


def main(folder: str, url: str = "http://127.0.0.1:8765") -> None:
    """Move every recording that no session is writing."""
    with Client(url, token=os.environ.get("VOLITION_TOKEN")) as client:
        for recording in client.recordings():
            if recording.growing:
                continue
            path = Path(folder) / f"{recording.id}.xdf"
            path.write_bytes(client.recording_content(recording.id))
            client.delete_recording(recording.id)
            print(path, recording.bytes, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
