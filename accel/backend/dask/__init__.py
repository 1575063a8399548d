"""A cluster as a backend: arrays larger than a worker's memory, a piece at a time.

`backend` is what users choose by name; `partition` cuts a call into pieces; `stream` sends
them to workers, no more at once than their memory holds; `tasks` is what workers run.
"""

from accel.backend.dask.backend import DaskBackend

__all__ = ["DaskBackend"]
