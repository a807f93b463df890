"""The gateway's side of a TextModel's deployment: all answers of a replica come in one stream.

A request is a call that lasts until its answer is written, so Ray Serve counts it, balances by it and scales
by it; cancelling the call stops the writing. The text comes through the replica's connection: one streaming
call, which the gateway opens before it sends a replica its first request, and closes when no request is left.
"""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any

from ray.serve.exceptions import RayServeException

from tts_app.engines.text import Delta, EngineStoppedError, TextCapabilities, TextRequest
from tts_app.serving.client import (
    LOST,
    PATIENCE,
    REASON_SECONDS,
    ModelClient,
    ModelUnavailableError,
    result,
    tell_serve,
)
from tts_app.serving.frames import Frame, Receiver
from tts_app.serving.names import TEXT_DEPLOYMENT
from tts_app.telemetry import traces
from tts_app.telemetry.about import carried

IDLE = 5.0
"""Seconds without a request after which a connection is closed: Serve counts a replica with one as busy."""

_TRIES = 2
"""Attempts for a request: its replica may be lost by chance, or the request itself may break replicas."""


class TextClient(ModelClient[TextCapabilities]):
    """Calls one TextModel's replicas. For one event loop."""

    def __init__(
        self,
        model: str,
        patience: float = PATIENCE,
        idle: float = IDLE,
        reason_seconds: float = REASON_SECONDS,
    ) -> None:
        """Wait `patience` seconds for a replica; close a connection after `idle` without a request."""
        super().__init__(model, TEXT_DEPLOYMENT, reason_seconds=reason_seconds)
        self._patience = patience
        self._idle = idle
        self._connections: dict[str, Connection] = {}
        self._requests = 0
        self._opening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer to `request` as it is written; closing the generator stops the writing.

        If a replica is lost before its first token, another one is tried.

        Raises:
            ContextLengthError, EngineError: the engine refused it.
            UnreadableAnswerError: the model wrote what the engine cannot read.
            ModelUnavailableError: no replica could be made to write it, or the one that did was lost.
        """
        for attempt in range(1, _TRIES + 1):
            begun = False
            try:
                async with aclosing(self._attempt(request)) as deltas:
                    async for delta in deltas:
                        begun = True
                        yield delta
                return
            except (*LOST, EngineStoppedError) as error:
                if begun:
                    why = f": {error}" if isinstance(error, EngineStoppedError) and str(error) else "."
                    raise ModelUnavailableError(
                        f"Model {self.model!r} was lost while it wrote the answer{why}"
                    ) from error
                if attempt == _TRIES:
                    raise await self._unwritten(error) from error

    def close(self) -> None:
        """Cancel the question that is under way; close each connection once its requests have ended."""
        super().close()
        for connection in self._connections.values():
            connection.close_soon()

    async def _unwritten(self, error: Exception) -> ModelUnavailableError:
        """Return an error that says why nothing was written, with the engine's reason if it gave one."""
        if isinstance(error, EngineStoppedError) and str(error):
            return ModelUnavailableError(f"Model {self.model!r} has broken down: {error}")
        return await self.unready()

    async def _attempt(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        receiver = Receiver()
        call = asyncio.create_task(self._call_into(receiver, request))
        try:
            async for delta in receiver.deltas():
                yield delta
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    async def _call_into(self, receiver: Receiver, request: TextRequest) -> None:
        """Have a replica write into `receiver`; whatever happens, the receiver ends."""
        try:
            await self._write_into(receiver, request)
        except asyncio.CancelledError:
            # If Serve ends a replica that has running calls, it cancels them, without a request from here.
            receiver.fail(RayServeException("The call was cancelled."))
            raise
        except Exception as error:  # noqa: BLE001 - the reader of the receiver gets it
            receiver.fail(error)

    async def _write_into(self, receiver: Receiver, request: TextRequest) -> None:
        tell_serve()
        write: Any = self.handle.write
        while True:
            async with self._chosen(write) as replica:
                connection = self._connections.get(replica.replica_id)
                if connection is not None:
                    self._requests += 1
                    number = self._requests
                    with connection.receiving(number, receiver):
                        work, trace = carried(), traces.carried()
                        await result(write.dispatch(replica, connection.name, number, request, work, trace))
                        await receiver.ended()
                    return
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._open_line())
            await asyncio.shield(self._opening)

    @asynccontextmanager
    async def _chosen(self, method: Any) -> AsyncIterator[Any]:
        """Hold a place of a replica that Serve chooses for a call of `method`.

        Raises:
            ModelUnavailableError: there is no replica.
        """
        async with AsyncExitStack() as stack:
            replica = stack.enter_async_context(method.choose_replica())
            yield await self.while_it_runs(replica, self._patience)

    async def _open_line(self) -> None:
        """Open a connection to the replica that Serve chooses, if it has none yet."""
        opened = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._listen(opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([opened, task], return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            await task

    async def _listen(self, opened: asyncio.Future[None]) -> None:
        """Hold a connection open until it is closed, or its replica is lost."""
        listen: Any = self.handle.options(method_name="listen", stream=True)
        async with self._chosen(listen) as replica:
            name = replica.replica_id
            if name in self._connections:
                return
            connection = self._connections[name] = Connection(self._idle)
            messages = listen.dispatch(replica, connection.name)
            opened.set_result(None)
            ended = connection.read(messages)
            try:
                await asyncio.wait([ended, connection.closed], return_when=asyncio.FIRST_COMPLETED)
            finally:
                del self._connections[name]
                messages.cancel()
                connection.break_off(RayServeException(f"Replica {name} closed."))


class Connection:
    """The stream of one replica's messages. For one event loop."""

    def __init__(self, idle: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = idle
        self.name = secrets.token_hex(8)
        """The replica has a StreamMux for each name, so a closing connection takes nothing from a new one."""
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done once no request needs the connection."""
        self._arrived: deque[list[Frame]] = deque()
        self._receivers: dict[int, Receiver] = {}
        self._timer = self._loop.call_later(self._idle, self._close)

    @contextmanager
    def receiving(self, request: int, receiver: Receiver) -> Iterator[None]:
        """Deliver the frames of `request` to `receiver`."""
        self._timer.cancel()
        self._receivers[request] = receiver
        try:
            yield
        finally:
            del self._receivers[request]
            if not self._receivers:
                self.close_soon()

    def read(self, messages: Iterable[list[Frame]]) -> asyncio.Future[None]:
        """Deliver `messages`, which a thread waits for; the future is done once there are no more.

        So however long the event loop is busy, everything that came meanwhile is delivered together, and each
        request gets it in one piece.
        """
        ended: asyncio.Future[None] = self._loop.create_future()
        reader = threading.Thread(target=self._read, args=(messages, ended), name="connection", daemon=True)
        reader.start()
        return ended

    def _read(self, messages: Iterable[list[Frame]], ended: asyncio.Future[None]) -> None:
        try:
            for frames in messages:
                self._arrived.append(frames)
                self._loop.call_soon_threadsafe(self._deliver)
        except Exception as error:  # noqa: BLE001 - those who wait for the answers get it
            self._loop.call_soon_threadsafe(self.break_off, error)
        self._loop.call_soon_threadsafe(ended.set_result, None)

    def _deliver(self) -> None:
        """Deliver the frames that have arrived; drop those of cancelled requests."""
        while self._arrived:
            for frame in self._arrived.popleft():
                receiver = self._receivers.get(frame[0])
                if receiver is not None:
                    receiver.put(frame)

    def break_off(self, error: BaseException) -> None:
        """End with `error` all requests that have not ended."""
        self._timer.cancel()
        for receiver in self._receivers.values():
            receiver.fail(error)

    def close_soon(self) -> None:
        """Close after the idle time, unless the connection is needed again."""
        self._timer.cancel()
        self._timer = self._loop.call_later(self._idle, self._close)

    def _close(self) -> None:
        if not self._receivers and not self.closed.done():
            self.closed.set_result(None)
