"""Segment arrays with the asynchronous client, with progress, while other work goes on.

python examples/client_async.py --variant mobile_sam
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np

from samfleet.client import AsyncClient, Progress

SIDE = 64  # pixels


def show(progress: Progress) -> None:
    print(progress, flush=True)


async def other_work(done: asyncio.Event) -> None:
    ticks = 0
    while not done.is_set():
        ticks += 1
        await asyncio.sleep(0.05)
    print(f"other work ran {ticks} times meanwhile")


async def main(variant: str) -> None:
    pictures = [np.full((SIDE, SIDE, 3), 60 * number, dtype=np.uint8) for number in range(4)]
    for picture in pictures:
        picture[16:48, 16:48] = (255, 200, 0)
    done = asyncio.Event()
    other = asyncio.create_task(other_work(done))
    async with AsyncClient() as client:
        task = {"kind": "everything", "points_per_side": 4}
        results = await client.segment(pictures, variant, task=task, keep=False, on_progress=show)
        async for result in results:
            print(f"{result.file_name}: {len(result)} masks")
    done.set()
    await other


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Segment arrays with the asynchronous client.")
    parser.add_argument("--variant", default="mobile_sam")
    asyncio.run(main(parser.parse_args().variant))
