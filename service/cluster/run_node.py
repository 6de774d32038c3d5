"""Run a node in this process until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from volition.service.cluster.engine import Engine
from volition.service.cluster.node import Node
from volition.service.supervision.supervisor import Supervisor


def run_node(
    urls: Sequence[str],
    name: str,
    on_ready: Callable[[], None],
    *,
    labels: dict[str, str],
    capacity: int,
    replicas: int,
    ca: str | None,
) -> None:
    """Run sessions until SIGINT or SIGTERM; then hand them over.

    Raises
    ------
    BusError
        The bus cannot be reached, or the name is taken.
    """

    async def run() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, ended.set)
        engine = await Engine.connect(urls, name=name, replicas=replicas, ca=ca)
        node = Node(engine, name, Supervisor(capacity), labels=labels, capacity=capacity)
        work = asyncio.create_task(node.run(on_ready))
        told = asyncio.create_task(ended.wait())
        await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await engine.close()
            work.result()
        await node.close()
        work.cancel()

    asyncio.run(run())
