"""The worker's steps, called in this process; `test_isolate` has them in their own."""

import itertools
import json
import types

import numpy as np
import pytest

from accel.timing import worker

PROTOCOL = {
    "rounds": 12, "min_rounds": 3, "min_sample_ns": 0, "warmup_s": 0, "order": "williams",
    "cache": "warm", "threads": 1,
}  # fmt: skip


class Board:
    """Keeps every note."""

    def __init__(self):
        self.notes = []

    def note(self, **where):
        self.notes.append(where)


def inputs(n=5):
    return np.arange(float(n)), np.full(n, np.nan)


def oracle(x, out):
    return 2 * x, 1e-12


def double(x, out):
    np.multiply(x, 2, out=out)


def double_again(x, out):
    double(x, out)


def triple(x, out):
    np.multiply(x, 3, out=out)


def one_element(x, out):
    out[0] = 0


def greedy(x, out):
    double(x, out)
    x += 1


def double_in_place(out):
    out *= 2


def in_place_inputs():
    return (np.ones(3),)


def in_place_oracle(out):
    return 2 * out, 0.0


def listed(x, out):
    return x.tolist(), out.tolist()


def double_list(x, out):
    out[:] = [2 * value for value in x]


def double_list_and_one(x, out):
    out[:] = [2 * value for value in x] + [0.0]


def name(function):
    return f"{__name__}:{function.__name__}"


def case(*functions, **changes):
    kernels = {f.__name__: {"target": name(f), "adapt": None} for f in functions}
    return {
        "parameters": {}, "inputs": name(inputs), "oracle": name(oracle), "kernels": kernels,
        "baseline": functions[0].__name__, "mutates": [], **changes,
    }  # fmt: skip


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def tools(board):
    return {"board": board, "clock": {"resolution_ns": 1}, "eviction": None}


def job(one, **protocol):
    return {"process": 1, "protocol": {**PROTOCOL, **protocol}, "cases": [one]}


def test_every_kernel_is_tried_once_and_its_first_call_is_kept_apart(board):
    (first, second), _ = worker.prepare(case(double, double_again), 0, board)
    assert (first.name, second.name) == ("double", "double_again")
    assert first.first_call_ns > 0 and second.first_call_ns > 0
    assert [note["step"] for note in board.notes] == ["make inputs", "first call", "first call"]


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (triple, r"element \[4\] is 12, expected 8 ± 1e-12; 4 of 5 elements differ"),
        (one_element, r"is nan, expected .*; 4 of 5 elements differ"),
        (greedy, "changed argument 0, which it may only read"),
    ],
)
def test_a_wrong_kernel_is_refused(board, function, complaint):
    with pytest.raises(worker.WrongAnswer, match=complaint):
        worker.prepare(case(function), 0, board)


def test_a_kernel_does_not_get_away_with_the_answer_of_the_one_before(board):
    with pytest.raises(worker.WrongAnswer, match="is nan"):
        worker.prepare(case(double, one_element), 0, board)
    assert board.notes[-1]["kernel"] == "one_element"


def test_a_kernel_may_take_other_arguments_made_off_the_clock(board):
    adapted = case(double, double_list)
    adapted["kernels"]["double_list"]["adapt"] = name(listed)
    (_, competitor), _ = worker.prepare(adapted, 0, board)
    assert competitor.arguments[1] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_an_answer_of_another_shape_is_refused(board):
    adapted = case(double_list_and_one)
    adapted["kernels"]["double_list_and_one"]["adapt"] = name(listed)
    with pytest.raises(worker.WrongAnswer, match=r"shape \(6,\), expected \(5,\)"):
        worker.prepare(adapted, 0, board)


def test_an_argument_that_may_change_is_put_back_before_each_call(board):
    mutating = case(
        double_in_place, inputs=name(in_place_inputs), oracle=name(in_place_oracle), mutates=[0]
    )
    (competitor,), _ = worker.prepare(mutating, 0, board)
    competitor.sample(7)
    assert competitor.arguments[0].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("share_s", "turn_ms", "rounds"),
    [
        (1000, 1, 12),  # as many as the profile allows
        (0, 1, 3),  # as few as it allows
        (1.8, 100, 5),  # three turns, the baseline's second entry among them, fit five times
    ],
)
def test_the_time_budget_decides_the_rounds_between_fewest_and_most(
    monkeypatch, board, tools, share_s, turn_ms, rounds
):
    monkeypatch.setattr(worker, "settle", lambda *arguments: turn_ms * 10**6)
    answer = worker.run_case(job(case(double, double_again)), 0, share_s * 1e9, tools)
    taken = [entry["samples_ns"] for entry in (*answer["kernels"].values(), answer["again"])]
    assert {len(samples) for samples in taken} == {rounds}


def test_competitors_take_turns_in_the_order_of_the_design(board, tools):
    worker.run_case(job(case(double, double_again), min_rounds=12), 0, 0, tools)
    turns = [note["kernel"] for note in board.notes if note["step"] == "timing"]
    rounds = [turns[i : i + 3] for i in range(0, 36, 3)]
    assert all(sorted(turn) == ["double", "double", "double_again"] for turn in rounds)
    assert [turn.index("double_again") for turn in rounds[:6]].count(0) == 2


def test_processes_take_up_the_design_where_the_one_before_left_it(tools, board):
    """Three entries need six rounds; two processes of three rounds play them all."""
    for process in (0, 1):
        worker.run_case({**job(case(double, double_again)), "process": process}, 0, 0, tools)
    turns = [note["kernel"] for note in board.notes if note["step"] == "timing"]
    places = [turns[i : i + 3].index("double_again") for i in range(0, 18, 3)]
    assert places == [1, 0, 2] + [1, 2, 0], "three rows, then the same three backwards"


def test_sequential_order_runs_each_competitor_to_completion(board, tools):
    worker.run_case(job(case(double, double_again), order="sequential"), 0, 0, tools)
    turns = [note["kernel"] for note in board.notes if note["step"] == "timing"]
    assert [kernel for kernel, _ in itertools.groupby(turns)] == [
        "double",
        "double_again",
        "double",
    ]


def test_with_several_threads_each_turn_begins_at_rest_and_with_calls_off_the_clock(
    monkeypatch, board, tools
):
    happened = []
    monkeypatch.setattr(worker.rest, "wait_for_rest", lambda: happened.append("rest"))
    entries = [
        worker.Competitor(name, lambda name=name: happened.append(name), (), [], loops=2)
        for name in ("ours", "theirs")
    ]
    half = worker.SETTLED_NS // 2
    calls = lambda function, _, loops: [function() for _ in range(loops)] and half  # noqa: E731
    monkeypatch.setattr(worker.sample, "sample_ns", calls)
    protocol = {**PROTOCOL, "threads": 2, "min_sample_ns": 1}
    taken = worker.race(entries, [0, 1], 0, protocol, board, None)
    assert happened == ["rest", *["ours"] * 4, "rest", *["theirs"] * 4]  # two, then a sample of two
    assert [entry["samples_ns"] for entry in taken] == [[half], [half]]


def test_with_one_thread_there_is_nobody_to_wait_for(monkeypatch, board, tools):
    monkeypatch.setattr(worker.rest, "wait_for_rest", lambda: pytest.fail("waited"))
    assert worker.run_case(job(case(double)), 0, 1e9, tools)["kernels"]


def test_caches_are_emptied_before_every_cold_sample(monkeypatch, board, tools):
    walks = []
    monkeypatch.setattr(worker.sample, "evict", walks.append)
    tools["eviction"] = buffer = object()
    tools["clock"]["resolution_ns"] = 0
    answer = worker.run_case(job(case(double), cache="cold"), 0, 0, tools)
    assert answer["kernels"]["double"]["loops"] == 1, "one call: the second would be warm"
    assert walks == [buffer] * (1 + 2 * 3)


def test_a_cold_call_too_short_for_the_clock_is_refused(board, tools):
    tools.update(eviction=np.zeros(8), clock={"resolution_ns": 10**9})
    with pytest.raises(ValueError, match="one cold call takes .* the clock needs .* larger case"):
        worker.run_case(job(case(double), cache="cold"), 0, 0, tools)


def test_emptying_the_caches_counts_as_time_spent(monkeypatch, clock, tools):
    monkeypatch.setattr(worker.clock, "perf_counter_ns", clock)
    monkeypatch.setattr(worker.sample, "evict", lambda buffer: clock.spend(5000))
    tools["clock"]["resolution_ns"] = 0
    (competitor,), _ = worker.prepare(case(double), 0, tools["board"])
    assert worker.settle(competitor, 0, {**PROTOCOL, "cache": "cold"}, tools) >= 5000


def test_a_sample_lasts_a_thousand_steps_of_the_clock(tools):
    tools["clock"]["resolution_ns"] = 1000
    (competitor,), _ = worker.prepare(case(double), 0, tools["board"])
    asked = []
    competitor.sample = lambda loops: asked.append(loops) or loops * 10_000
    worker.settle(competitor, 0, {**PROTOCOL, "min_sample_ns": 1}, tools)
    assert competitor.loops * 10_000 >= 1000 * 1000


def test_a_warm_up_curve_begins_with_the_second_call(board, tools):
    calls = itertools.count()

    def counting(x, out):
        double(x, out)
        next(calls)

    globals()["counting"] = counting
    one = worker.run_case(job(case(counting), min_rounds=4), 0, 0, tools)
    assert one["kernels"]["counting"]["loops"] == 1
    assert next(calls) == 1 + 2 * 4, "the first call, then the samples, and nothing between"


def test_memory_is_traced_in_one_process_only(board, tools):
    work = job(case(double))
    assert worker.run_case(work, 0, 0, tools)["memory"] == {}
    traced = worker.run_case({**work, "process": 0}, 0, 0, tools)["memory"]
    assert list(traced) == ["double"]


def test_cases_share_the_time_of_the_process(monkeypatch, clock, board):
    shares = []

    def spend(work, index, share_ns, tools):
        shares.append(share_ns)
        clock.spend([1, 5, 0][index] * 10**9)

    monkeypatch.setattr(worker, "run_case", spend)
    monkeypatch.setattr(worker.clock, "perf_counter_ns", clock)
    monkeypatch.setattr(worker.sample, "describe_clock", dict)
    protocol = {**PROTOCOL, "threads": 1024}  # those of this process do not matter
    worker.run_job({"protocol": protocol, "cases": [{}] * 3, "budget_s": 9}, board)
    assert shares == [3e9, 4e9, 3e9], "9 s by three; the 8 s left by two; the 3 s left"


def blas_with(threads):
    return {"blas": [{"name": "openblas", "threads": threads}]}


@pytest.mark.parametrize("threads", [1, 2, None])
def test_a_library_that_keeps_to_its_threads_or_does_not_tell_is_accepted(threads):
    worker.verify_threads(blas_with(threads), 2)


def test_a_library_with_more_threads_than_told_is_refused():
    with pytest.raises(RuntimeError, match="openblas runs 2 threads, expected 1"):
        worker.verify_threads(blas_with(2), 1)


def test_switches_are_counted_for_each_sample_or_not_at_all(monkeypatch, board, tools):
    counts = itertools.count()
    usage = types.SimpleNamespace(
        RUSAGE_SELF=0, getrusage=lambda who: types.SimpleNamespace(ru_nivcsw=next(counts))
    )
    monkeypatch.setattr(worker, "resource", usage)
    told = worker.run_case(job(case(double)), 0, 0, tools)
    assert told["again"]["involuntary_switches"] == [1, 1, 1]
    monkeypatch.setattr(worker, "resource", None)
    untold = worker.run_case(job(case(double)), 0, 0, tools)
    assert untold["again"]["involuntary_switches"] is None


def test_the_board_shows_one_whole_note_after_the_other(tmp_path):
    path = tmp_path / "board"
    long, short = {"case": 0, "kernel": "a" * 100, "step": "first call"}, {"step": "timing"}
    with path.open("wb", buffering=0) as file:
        board = worker.Board(file)
        board.note(**long)
        assert long.items() <= json.loads(path.read_bytes()).items()
        board.note(**short)
        assert short.items() <= json.loads(path.read_bytes()).items()


def test_two_equal_notes_can_be_told_apart(tmp_path):
    path = tmp_path / "board"
    with path.open("wb", buffering=0) as file:
        board = worker.Board(file)
        board.note(step="timing")
        first = path.read_bytes()
        board.note(step="timing")
    assert path.read_bytes() != first
