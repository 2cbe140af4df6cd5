"""Streams raw sound to a service of `earmark serve` and prints the windows that come back.

``arecord -t raw -f S16_LE -r 16000 -c 1 | python examples/clients/listen.py --rate 16000``

It needs the package websockets, which the extra ``serve`` brings. FFmpeg makes raw sound of
anything: ``ffmpeg -i radio.mp3 -f s16le -ac 1 -ar 16000 -``.
"""

import argparse
import asyncio
import json
import os
import sys

from websockets.asyncio.client import ClientConnection, connect

BLOCK_BYTES = 1 << 14


async def send(socket: ClientConnection) -> None:
    """Sends standard input as it comes; any text ends the sound."""
    while block := await asyncio.to_thread(os.read, sys.stdin.fileno(), BLOCK_BYTES):
        await socket.send(block)
    await socket.send("end")


async def listen(url: str) -> None:
    """Prints each message as a line of JSON."""
    token = os.environ.get("EARMARK_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with connect(url, additional_headers=headers) as socket:
        sending = asyncio.create_task(send(socket))
        async for message in socket:
            print(json.dumps(json.loads(message)), flush=True)
        sending.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="ws://127.0.0.1:8000")
    parser.add_argument("--rate", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(listen(f"{arguments.url}/v1/stream?rate={arguments.rate}&format=s16le"))
