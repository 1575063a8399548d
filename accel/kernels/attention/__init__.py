"""Attention: a product, a softmax and a product that need not meet in memory.

``out = softmax(q k^T / sqrt(d)) v`` for each head by itself: every query is compared with
every key, and takes the mean of the values weighted by the softmax of its scores. In
`attention_causal` query i sees only keys 0 to i. Written as it stands, the formula makes
matrices of ``n x n`` scores, far larger than all arguments together. The top of the ladder
never has more of them than fit the nearest cache.

`operation` says what is computed, `materialised` and `online` are the lower steps,
`tiled` the upper ones, whose work `strips` does.

Arrays are contiguous, of one element type: `q` of shape (heads, n, d), `k` (heads, keys,
d), `v` (heads, keys, width), `out` (heads, n, width); `out` must not overlap the inputs.
The ladder's `loop` reads and writes nested lists.

A score that is NaN or ``+inf`` makes its whole row NaN, a score of ``-inf`` has weight 0,
and a row of nothing but ``-inf`` is NaN: as the formula says. Rows with large scores do not
overflow, since the largest is subtracted first. A weight of 0 times a value that is NaN or
infinite is NaN; a value whose key is hidden by causality may or may not take part so, and
should be finite.

Source
------
Vaswani and others, "Attention Is All You Need", arXiv:1706.03762 (2017), section 3.2.1.
Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867
(2018). Dao, Fu, Ermon, Rudra and Re, "FlashAttention: Fast and Memory-Efficient Exact
Attention with IO-Awareness", arXiv:2205.14135 (2022).
"""

from accel.kernels.attention import tiled  # noqa: F401  (it imports the steps below it)
