"""Our own SMSC simulator as a peer: `python -m tests.peers.simulator PORT`, with its counts once a second."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import uvloop

from voipsms.smpp.behaviour import Options
from voipsms.smpp.simulator import Simulator


def _line(simulator: Simulator) -> str:
    counts = simulator.counts
    return json.dumps({"submit": counts["submits"], "dlr": counts["receipts"], "dlr_ack": counts["delivered"]})


async def run(port: int) -> None:
    """Serves until SIGTERM; every destination gets its receipt at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with Simulator(Options(port=port, endings=False)) as simulator:
        told = ""
        while not stop.is_set():
            if (line := _line(simulator)) != told:
                print(told := line, flush=True)
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue
        print(_line(simulator), flush=True)


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1])))
