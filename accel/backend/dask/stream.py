"""Pieces sent to workers, no more at once than their memory holds, and again if one is lost.

Every worker has a few *lanes*. A lane takes a piece, sends the arrays of its first step, has
them worked on, sends those of the next, takes the result back, and takes another piece. While
one lane computes, another one sends. Nothing else is ever under way, so the memory that a
worker needs is known beforehand.

Lanes are coroutines on the event loop of the client. One more watches which workers are
there: the lanes of one that is lost are ended, their pieces go back to the others, and a new
worker gets lanes of its own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from accel.backend.base import BackendError, Call
from accel.backend.dask import partition, tasks
from accel.backend.dask.cluster import Cluster
from accel.backend.dask.partition import Job, Piece

#: Pieces under way on a worker: one is computed while the other is on its way.
LANES = 2

#: What a piece takes, in sizes of its arrays: as a message they may lie at odd bytes, where no
#: kernel reads them, and are there once more.
COPIES = 2

#: Share of a worker's limit up to which it is filled. Dask begins to write data to disk at
#: 0.6 of it, to pause at 0.8, and to end the worker at 0.95.
FILL = 0.6

#: Bounds of the room for a piece, in bytes: more gains nothing, less is all latency.
MOST_ROOM, LEAST_ROOM = 64 << 20, 1 << 20

#: How often workers are counted, in s.
LOOK_S = 0.25

#: How long to wait without any worker, and with workers of which none finishes anything, in s.
#: A piece takes seconds at most.
NO_WORKER_S, STALLED_S = 30.0, 120.0

#: How long workers may take to compile a kernel, in s.
COMPILE_S = 600.0

#: How long a worker may take to accept data, in s: one whose memory is full does not.
SEND_S = 15.0

#: Times that a piece is sent.
ATTEMPTS = 3

#: Time for lanes to end when the call is interrupted, in s.
END_S = 10


class Gone(BackendError):
    """The cluster does not answer, or has no worker that does anything."""


class Lost(RuntimeError):
    """The worker went away, or did not take what was sent; another one may do better."""


def run(cluster: Cluster, call: Call, workers: int | None = None) -> None:
    """Run a call on a cluster, and return when its result is written.

    Parameters
    ----------
    cluster : Cluster
    call : Call
        Whose operation has a rule in `partition.KINDS`.
    workers : int, optional
        Use no more than so many.

    Raises
    ------
    Gone
        If the scheduler does not answer, or no worker is left.
    BackendError
        If a worker has no room, or a piece is lost again and again.
    """
    if cluster.local and not any(key == (call.operation, call.dtype) for _, key in cluster.states):
        # Workers of this machine then load what was compiled here: a compiler leaves a process
        # with more memory than they may have.
        tasks.warm_up(call.operation, call.dtype)
    stream, ended = _Stream(cluster, call, workers), threading.Event()

    async def work() -> Job:
        try:
            return await stream.run()
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(work(), cluster.client.loop.asyncio_loop)
    try:
        job = future.result()
    except BaseException:  # an interrupt: nobody may write the caller's arrays from now on
        future.cancel()
        ended.wait(END_S)
        raise
    job.finish()


def room_bytes(states: Iterable[tasks.State]) -> int:
    """Return what the arrays of a piece may take, so that no worker passes its limit.

    Raises
    ------
    BackendError
        If a worker is full before it has any data.
    """
    least = MOST_ROOM
    for state in states:
        if not state.limit_bytes:
            continue
        left = int(FILL * state.limit_bytes) - state.resident_bytes
        if left < LANES * COPIES * LEAST_ROOM:
            needed = (state.resident_bytes + LANES * COPIES * LEAST_ROOM) / FILL
            raise BackendError(
                f"a worker may use {state.limit_bytes >> 20} MiB and has "
                f"{max(0, left) >> 20} MiB left for data; it needs at least "
                f"{int(needed) >> 20} MiB: accel.use('dask', memory_limit=...)"
            )
        least = min(least, left // (LANES * COPIES))
    return least


class _Stream:
    """One call under way. All methods run on the client's event loop."""

    def __init__(self, cluster: Cluster, call: Call, workers: int | None):
        self._cluster, self._client = cluster, cluster.client
        self._call, self._workers = call, workers
        #: Pieces that no lane has, how often each was sent, and why it was lost.
        self._waiting: deque[tuple[Piece, int, str]] = deque()
        self._left = 0
        self._progress = time.monotonic()

    async def run(self) -> Job:
        states = await self._states()
        job = partition.cut(self._call, room_bytes(states.values()), LANES * len(states))
        self._waiting.extend((piece, 0, "") for piece in job.pieces)
        self._left = len(job.pieces)
        await self._deliver_all(set(states))
        return job

    async def _states(self) -> dict[str, tasks.State]:
        """Return what each worker says of itself, once it has its kernel."""
        asked: dict[str, asyncio.Task] = {}
        try:
            while True:
                here = await self._addresses()
                _end(asked.pop(address) for address in asked.keys() - here)
                for address in here - asked.keys():
                    asked[address] = asyncio.create_task(self._state(address))
                if asked:
                    await asyncio.wait(asked.values(), timeout=LOOK_S)
                else:
                    await asyncio.sleep(LOOK_S)
                for address in [each for each, task in asked.items() if _failed(task)]:
                    del asked[address]  # it is asked again if it is still there
                if asked and all(task.done() for task in asked.values()):
                    return {address: task.result() for address, task in asked.items()}
                self._check_progress(len(here), COMPILE_S)
        finally:
            _end(asked.values())

    async def _state(self, address: str) -> tasks.State:
        """Have a worker load its kernel, unless it has done so; remember its fullest state."""
        known = self._cluster.states
        key = self._call.operation, self._call.dtype
        if (address, key) not in known:
            future = self._submitted(address, tasks.prepared, *key)
            await self._done(future)
            known[address, key] = await self._fetched(future)
        states = [state for (place, _), state in known.items() if place == address]
        return max(states, key=lambda state: state.resident_bytes)

    async def _deliver_all(self, here: set[str]) -> None:
        """Keep lanes running on all workers that are there, until every piece is delivered."""
        lanes: dict[str, list[asyncio.Task]] = {}
        looked = self._progress = time.monotonic()
        try:
            while self._left:
                if time.monotonic() - looked > LOOK_S:
                    here, looked = await self._addresses(), time.monotonic()
                for address in lanes.keys() - here:
                    _end(lanes.pop(address))
                running = self._filled(lanes, here)
                if running:
                    await asyncio.wait(
                        running, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(LOOK_S)
                self._check_progress(len(here))
        finally:
            everyone = [task for tasks_ in lanes.values() for task in tasks_]
            _end(everyone)
            await asyncio.gather(*everyone, return_exceptions=True)

    def _filled(self, lanes: dict[str, list[asyncio.Task]], here: set[str]) -> list[asyncio.Task]:
        """Start lanes where there are too few, and return all; raise what one has raised."""
        for address in sorted(here):
            mine = lanes.setdefault(address, [])
            for task in [task for task in mine if task.done()]:
                mine.remove(task)
                if not task.cancelled():
                    task.result()
            wanted = min(LANES - len(mine), len(self._waiting))
            mine += [asyncio.create_task(self._lane(address)) for _ in range(wanted)]
        return [task for mine in lanes.values() for task in mine]

    async def _lane(self, address: str) -> None:
        """Have one worker compute one piece after the other."""
        while self._waiting:
            piece, sent, why = self._waiting.popleft()
            if sent >= ATTEMPTS:
                raise BackendError(
                    f"{self._call.operation}: a piece was lost {ATTEMPTS} times, the last time "
                    f"since {why}; see that workers have enough memory"
                )
            try:
                result = await self._computed(piece, address)
            except asyncio.CancelledError:
                self._waiting.append((piece, sent + 1, f"{address} went away"))
                raise
            except Lost as error:
                self._waiting.append((piece, sent + 1, str(error)))
                await asyncio.sleep(LOOK_S)  # so that the scheduler sees who is left
            else:
                piece.deliver(result)
                self._left -= 1
                self._progress = time.monotonic()

    async def _computed(self, piece: Piece, address: str) -> Any:
        """Return what the last step of a piece gives; the sums before it stay on the worker."""
        carry = None
        for arrays in piece.steps:
            sent = await self._sent(list(arrays()), address)
            carry = self._submitted(
                address, piece.task, piece.operation, piece.dtype, carry, *sent
            )
            del sent
            await self._done(carry)
            self._progress = time.monotonic()
        return await self._fetched(carry)

    async def _sent(self, arrays: list[np.ndarray], address: str) -> list[Any]:
        try:
            return await self._client.scatter(
                arrays, workers=[address], hash=False, timeout=SEND_S
            )
        except OSError as error:
            raise Lost(f"{address} does not accept data: {error!r}") from error

    def _submitted(self, address: str, *task: Any) -> Any:
        """Have one worker, and no other, call a function."""
        return self._client.submit(
            *task, workers=[address], allow_other_workers=False, pure=False
        )

    async def _done(self, future: Any) -> None:
        """Wait for a task; raise what it has raised."""
        from distributed import KilledWorker

        error = await future.exception()
        if isinstance(error, KilledWorker | concurrent.futures.CancelledError):
            raise Lost(repr(error)) from error
        if isinstance(error, asyncio.CancelledError):
            raise Lost("what it needed was on a worker that is gone") from error
        if error is not None:
            raise error

    async def _fetched(self, future: Any) -> Any:
        try:
            return await self._client.gather(future)
        except (OSError, concurrent.futures.CancelledError) as error:
            raise Lost(f"the result is gone: {error!r}") from error
        except asyncio.CancelledError as error:
            if asyncio.current_task().cancelling():
                raise
            # Results that lanes ask for at once are fetched together, and this was another's.
            raise Lost("the lane that was fetching the result was ended") from error

    async def _addresses(self) -> set[str]:
        """Return the workers that the scheduler knows."""
        try:
            found = await asyncio.wait_for(self._client.nthreads(), NO_WORKER_S)
        except OSError as error:
            raise Gone(
                f"the scheduler at {self._cluster.address} does not answer any more ({error!r})"
            ) from error
        return set(sorted(found)[: self._workers])

    def _check_progress(self, workers: int, most_s: float | None = None) -> None:
        waited = time.monotonic() - self._progress
        if waited > ((most_s or STALLED_S) if workers else NO_WORKER_S):
            raise Gone(
                f"{self._call.operation}: no worker of {self._cluster.address} has finished "
                f"anything for {waited:.0f} s, and {workers} are there; see that they run"
            )


def _failed(task: asyncio.Task) -> bool:
    """Tell whether a task has met a lost worker; raise what else it has raised."""
    if not task.done() or task.cancelled():
        return task.done()
    error = task.exception()
    if error is not None and not isinstance(error, Lost):
        raise error
    return error is not None


def _end(running: Iterable[asyncio.Task]) -> None:
    for task in running:
        task.cancel()
