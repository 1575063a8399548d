"""A scheduler and its workers: started here, or found at an address."""

from __future__ import annotations

import atexit
import logging
import os
from typing import Any

from accel.backend.base import BackendError
from accel.backend.dask import tasks
from accel.timing.isolate import THREAD_VARIABLES

#: How long to wait for a scheduler that was named, in s.
CONNECT_S = 5

#: What Dask sets in the environment of *this* process whenever it starts a worker: that freed
#: memory goes back to the system. By default it sets numbers of threads as well, which other
#: processes that start from here would inherit; those of workers are given to them alone.
BEFORE_SPAWNING = {"MALLOC_TRIM_THRESHOLD_": 65536}

#: How long workers may take to start, in s, on a busy machine.
START_S = 60


class Cluster:
    """A connection to a scheduler; one that was started here ends with it.

    Attributes
    ----------
    client : distributed.Client
    address : str
        Of the scheduler.
    local : bool
        Whether it was started here.
    states : dict
        ``(worker, (operation, dtype))`` to `tasks.State`, of workers that have the kernel.
    """

    def __init__(self, client: Any, local: Any = None):
        self.client, self._started, self.local = client, local, local is not None
        self.address: str = client.scheduler.address
        self.states: dict[tuple[str, tuple[str, str]], tasks.State] = {}
        atexit.register(self.close)

    def close(self) -> None:
        """Disconnect, and end what was started here. More than once is allowed."""
        atexit.unregister(self.close)
        self.client.close()
        if self._started is not None:
            self._started.close()


def start(workers: int | None, memory_limit: int | str | None) -> Cluster:
    """Start a scheduler in this process, and workers of one thread in processes of their own.

    They listen to this machine only, and there is no dashboard, whose port could be taken.

    Parameters
    ----------
    workers : int or None
        As many as cores where None.
    memory_limit : int, str or None
        Of each worker, in bytes or such as ``"2GiB"``; an equal share of the memory where None.

    Raises
    ------
    BackendError
        If they do not start.
    """
    import dask
    from distributed import Client, LocalCluster

    count = workers or os.cpu_count() or 1
    before = dict(os.environ)
    try:
        with dask.config.set({"distributed.nanny.pre-spawn-environ": BEFORE_SPAWNING}):
            local = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                memory_limit="auto" if memory_limit is None else memory_limit,
                # No dashboard, and its server of pages on any free port of this machine alone.
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,  # what goes wrong is raised
                env=dict.fromkeys(THREAD_VARIABLES, "1"),
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise BackendError(
            f"{count} workers could not be started ({error}); a script that starts some must do "
            "so below `if __name__ == '__main__':`, as they import it"
        ) from error
    finally:
        _restore(before)
    client = Client(local, timeout=START_S, direct_to_workers=True, set_as_default=False)
    return Cluster(client, local)


def _restore(before: dict[str, str]) -> None:
    """Take back what Dask has set for its workers in the environment of this process."""
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def connect(address: str) -> Cluster:
    """Connect to a scheduler that is running.

    Parameters
    ----------
    address : str
        Such as ``"tcp://10.0.0.1:8786"``.

    Raises
    ------
    BackendError
        If nobody answers within `CONNECT_S`, or it is no address.
    """
    from distributed import Client

    if "://" not in address:
        raise BackendError(
            f"scheduler must be an address such as 'tcp://10.0.0.1:8786', got {address!r}"
        )
    try:
        return Cluster(Client(address, timeout=CONNECT_S, set_as_default=False))
    except (OSError, TimeoutError, ValueError) as error:
        raise BackendError(
            f"no scheduler answers at {address} within {CONNECT_S} s; start one by "
            f"`dask scheduler`, or leave scheduler= out for workers on this machine ({error})"
        ) from error
