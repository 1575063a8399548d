"""Gather and scatter: what it costs when the data say where to go next.

`embedding` copies the rows of a table that a list of indices names, `scatter_add` adds rows
to the places that one names, and `histogram` computes from each number the place that it
counts in. There is hardly any arithmetic. What decides is whether a row is in cache when its
turn comes, and whether the processor can go on before the last addition is done: two equal
indices in a row make the second wait for the first.

`indices` says in what orders indices come: sorted, random, or a few of them most of the time.
An index that is negative, or beyond the last row, raises IndexError in every step, and
nothing is read or written there.
"""

from accel.kernels.gather import embedding, histogram, scatter_add  # noqa: F401
