"""The backend that is chosen by ``accel.use("dask")``."""

from __future__ import annotations

import importlib.util
import threading
from typing import TYPE_CHECKING, Any

from accel.backend.base import BackendError, Call, ComputeBackend

if TYPE_CHECKING:
    from accel.backend.dask.cluster import Cluster

#: What ``accel.use("dask", ...)`` takes.
OPTIONS = ("scheduler", "workers", "memory_limit")


class DaskBackend(ComputeBackend):
    """Workers of a Dask cluster, each given pieces that fit its memory.

    Arguments are ordinary arrays of this process, or files mapped into memory. They may be
    larger than a worker's memory: they are sent in pieces, as many at a time as workers have
    room for, and results are written into `out` as they come. Without options a cluster is
    started on this machine with the first call, a worker for each core, and ended with the
    process. Calls from several threads wait for each other.

    Sums and products are rounded in an order that depends on the sizes of the pieces, and so
    on workers and their memory.
    """

    name = "dask"
    competes = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._options: dict[str, Any] = {}
        self._cluster: Cluster | None = None

    def available(self) -> str | None:
        """Return None if `distributed` is installed."""
        if importlib.util.find_spec("distributed") is None:
            return "distributed is not installed; pip install 'accel-book[dask]'"
        return None

    def supports(self, call: Call) -> str | None:
        """Return None if there is a rule that cuts such calls, else that there is none."""
        from accel.backend.dask import partition

        return partition.why_not(call.operation, call.dtype)

    def configure(self, **options: Any) -> None:
        """Say which cluster to use; it holds until another is named.

        Parameters
        ----------
        scheduler : str, optional
            Address of a scheduler that is running, such as ``"tcp://10.0.0.1:8786"``. Its
            workers need this library. It is connected to at once.
        workers : int, optional
            How many to start on this machine; one for each core by default.
        memory_limit : int or str, optional
            Of each worker that is started, in bytes or such as ``"2GiB"``.

        Raises
        ------
        BackendError
            If an option is unknown or of no use, or the scheduler does not answer. The
            cluster that was used before stays.
        """
        chosen = _checked(options)
        reason = self.available()
        if reason is not None:
            raise BackendError(f"backend {self.name!r} is not available: {reason}")
        from accel.backend.dask import cluster

        with self._lock:
            if chosen == self._options and self._cluster is not None:
                return
            new = cluster.connect(chosen["scheduler"]) if "scheduler" in chosen else None
            self.close()
            self._options, self._cluster = chosen, new

    def run(self, call: Call) -> None:
        """Cut the call, have workers run the pieces, and put the results together.

        Raises
        ------
        BackendError
            If no worker is left, or none has room. After a cluster has gone the next call
            connects, or starts workers, anew.
        """
        from accel.backend.dask import partition, stream, tasks

        if partition.nothing_to_send(call):
            tasks.kernel(call.operation, call.dtype)(*call.arguments)
            return
        with self._lock:
            try:
                stream.run(self.cluster(), call)
            except stream.Gone:
                self.close()
                raise

    def cluster(self) -> Cluster:
        """Return the cluster in use; start one if there is none."""
        from accel.backend.dask import cluster

        with self._lock:
            if self._cluster is None:
                if "scheduler" in self._options:
                    self._cluster = cluster.connect(self._options["scheduler"])
                else:
                    self._cluster = cluster.start(
                        self._options.get("workers"), self._options.get("memory_limit")
                    )
            return self._cluster

    def close(self) -> None:
        """End the cluster that was started here; the next call starts another."""
        with self._lock:
            if self._cluster is not None:
                self._cluster.close()
                self._cluster = None


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, if they make sense."""
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise BackendError(
            f"backend 'dask' has no option {', '.join(unknown)}; there are {', '.join(OPTIONS)}"
        )
    chosen = {name: value for name, value in options.items() if value is not None}
    if "scheduler" in chosen and len(chosen) > 1:
        raise BackendError(
            "workers and memory_limit are for workers started here; those of a scheduler that "
            "is running have their own: leave them out"
        )
    if not isinstance(chosen.get("scheduler", ""), str):
        raise BackendError(f"scheduler must be an address, got {chosen['scheduler']!r}")
    workers = chosen.get("workers", 1)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise BackendError(f"workers must be a whole number from 1, got {workers!r}")
    if "memory_limit" in chosen:
        chosen["memory_limit"] = _bytes(chosen["memory_limit"])
    return chosen


def _bytes(limit: Any) -> int:
    """Return an amount of memory in bytes."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
    amount, unit = limit, 1
    if isinstance(limit, str):
        digits = limit.strip().rstrip("BKMGIbkmgi ")
        suffix = limit.strip()[len(digits) :].strip().upper()
        amount, unit = digits, units.get(suffix, 1 if suffix in ("", "B") else 0)
    try:
        size = int(float(amount) * unit)
    except (TypeError, ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise BackendError(
            f"memory_limit must be bytes above 0, or text such as '2GiB', got {limit!r}"
        )
    return size
