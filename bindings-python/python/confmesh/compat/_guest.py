"""A guest of a running instance, over a WebSocket on this machine: text messages both ways."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
import struct

from .._errors import PeerError

_MOST = 16 << 20
"""The longest message that is taken."""


class Guest:
    """A connection to a port that speaks the messages of guests, in the instance's own words."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parts: list[bytes] = []

    @classmethod
    async def connect(cls, port: int, token: str | None = None, certificate: str | None = None) -> Guest:
        """Connects, and ends the handshake: with the certificate of the instance where it speaks TLS."""
        secure = None
        if certificate is not None:
            secure = ssl.create_default_context(cafile=certificate)
            # It is this very certificate, on this machine.
            secure.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=secure)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /sync HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *([] if token is None else [f"Authorization: Bearer {token}"]),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            writer.close()
            status = head.decode("latin-1").splitlines()[0]
            raise PeerError(f"the instance refused a guest: {status}", code="peer")
        return cls(reader, writer)

    async def send(self, text: str) -> None:
        """Sends a message."""
        self._write(0x1, text.encode())
        await self._writer.drain()

    async def receive(self) -> str | None:
        """The next message; None where the connection has ended."""
        while True:
            try:
                head = await self._reader.readexactly(2)
                length = head[1] & 0x7F
                if length == 126:
                    length = struct.unpack(">H", await self._reader.readexactly(2))[0]
                elif length == 127:
                    length = struct.unpack(">Q", await self._reader.readexactly(8))[0]
                if length + sum(map(len, self._parts)) > _MOST:
                    return None
                body = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            kind = head[0] & 0x0F
            if kind == 0x8:
                return None
            if kind == 0x9:
                self._write(0xA, body)
            elif kind in (0x0, 0x1):
                self._parts.append(body)
                if head[0] & 0x80:
                    text, self._parts = b"".join(self._parts).decode(), []
                    return text

    async def close(self) -> None:
        """Says goodbye, and ends the connection."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._write(0x8, struct.pack(">H", 1000))
            self._writer.close()
            await self._writer.wait_closed()

    def _write(self, kind: int, body: bytes) -> None:
        length = len(body)
        if length < 126:
            head = bytes([0x80 | kind, 0x80 | length])
        elif length < 1 << 16:
            head = bytes([0x80 | kind, 0x80 | 126]) + struct.pack(">H", length)
        else:
            head = bytes([0x80 | kind, 0x80 | 127]) + struct.pack(">Q", length)
        mask = os.urandom(4)
        whole = int.from_bytes(body, "big") ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        self._writer.write(head + mask + whole.to_bytes(length, "big"))
