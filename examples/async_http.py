"""Asks an HTTP server for the square of every number, fifty questions at a time, and adds them up.

typhoon run examples/async_http.py
typhoon run examples/async_http.py -c numbers=2000

The server is part of the example: it runs on the same event loop, and takes its time to answer.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any

from typhoon import AsyncBolt, Bolt, Spout, Topology, Tuple

HOST = "127.0.0.1"
END = b"\r\n\r\n"


async def answer(reader: StreamReader, writer: StreamWriter) -> None:
    """The server's side of a connection: GET /square/12 is answered with 144."""
    request = await reader.readuntil(END)
    number = int(request.split()[1].rpartition(b"/")[2])
    await asyncio.sleep(0.01)
    body = str(number**2)
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    await close(writer)


async def get(port: int, path: str) -> str:
    """The client's side: what the server says about `path`."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(END)
    finally:
        await close(writer)
    status = int(head.split()[1])
    if status != 200:
        raise OSError(f"{path}: the server answers with status {status}")
    return body.decode()


async def close(writer: StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


class Numbers(Spout):
    outputs = ["number"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.numbers = iter(range(int(conf.get("numbers", 500))))

    def next_tuple(self) -> None:
        number = next(self.numbers)
        self.emit([number], tup_id=number)


class Square(AsyncBolt):
    outputs = ["number", "square"]
    max_in_flight = 50  # so many questions are open at once
    timeout_secs = 10  # who gets no answer by then fails

    async def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.server = await asyncio.start_server(answer, HOST, 0)  # any port that is free
        self.port = self.server.sockets[0].getsockname()[1]

    async def process(self, tup: Tuple) -> None:
        square = await get(self.port, f"/square/{tup['number']}")
        self.emit([tup["number"], int(square)])  # anchored to tup, whatever ran meanwhile

    async def close(self) -> None:
        self.server.close()
        await self.server.wait_closed()


class Sum(Bolt):
    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.count = self.sum = 0

    def process(self, tup: Tuple) -> None:
        self.count += 1
        self.sum += tup["square"]

    def close(self) -> None:
        print(f"{self.count} squares, their sum is {self.sum}")


class Squares(Topology):
    numbers = Numbers.spec()
    square = Square.spec(inputs=[numbers])
    sum = Sum.spec(inputs=[square])
