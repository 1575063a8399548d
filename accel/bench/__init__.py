"""How close to the limit, and how far ahead: every best kernel against every rival.

`accel bench` measures each operation's best kernel against NumPy and, with ``--peers``,
against SciPy, numexpr, PyTorch and JAX, and against the measured roof, all in one run. A run
is one file; `read` reads it back, and `accel.bench.report` makes tables and sentences of it.
"""

from accel.bench.results import Bench, BenchError, read

__all__ = ["Bench", "BenchError", "read"]
