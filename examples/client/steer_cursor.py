"""Move something by a session's cursor, fifty times a second: python steer_cursor.py SESSION [URL]

What moves has a loop of its own, and asks for the newest velocity; one that has expired is zero.
"""

from __future__ import annotations

import asyncio
import os
import sys

from volition.service.client import AsyncClient, AsyncFollower

PERIOD_S = 0.02


async def listen(live: AsyncFollower) -> None:
    """Take what comes; the follower keeps the newest."""
    async for message in live:
        if message.type == "status":
            print(message.state, message.reason, file=sys.stderr)


async def steer(live: AsyncFollower, x: float = 0.0, y: float = 0.0) -> None:
    """Move by the newest velocity, for ever."""
    while True:
        intent = live.current
        if intent is not None and intent.kind == "cursor":
            x += intent.velocity[0] * PERIOD_S
            y += intent.velocity[1] * PERIOD_S
            print(f"{x:.2f} {y:.2f}", flush=True)
        await asyncio.sleep(PERIOD_S)


async def main(session: str, url: str = "http://127.0.0.1:8765") -> None:
    """Listen and steer until the session ends."""
    async with AsyncClient(url, token=os.environ.get("VOLITION_TOKEN")) as client:
        live = client.follow(session)
        steering = asyncio.create_task(steer(live))
        try:
            await listen(live)
        finally:
            steering.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
