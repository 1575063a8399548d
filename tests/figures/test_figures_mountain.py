"""Figures of memory: what they name, what they mark, what they say in words."""

from xml.etree import ElementTree

import pytest
import synthetic
import synthetic_roofs
from drawings import only

from accel import figures
from accel.figures import FigureError, look, parts
from accel.timing.records import Record
from accel.timing.roofs import Roofs

ROOFS = synthetic_roofs.roofs()
LATENCY, CHAINS = Record(synthetic_roofs.latency()), Record(synthetic_roofs.chains())
STRIDES = Record(
    synthetic.record(
        "mountain.strides",
        [
            synthetic.case(
                {"eight_sums": time * 6400 / stride}, operation="strided_sum", n=6400,
                flops=6400 // stride, stride=stride,
            )
            for stride, time in ((16, 4.0), (1, 0.5), (64, 5.0))
        ],
    )
)  # fmt: skip

DRAWN = {
    "bandwidth": (figures.bandwidth, (ROOFS,), {}),
    "staircase": (figures.staircase, (LATENCY,), {}),
    "chains": (figures.chains, (CHAINS,), {}),
    "strides": (figures.strides, (STRIDES,), {"kernel": "eight_sums", "line": 16}),
}


@pytest.fixture
def take(collected):
    """Return a function that draws a figure and returns its picture, as in a build."""
    def draw(name, *, alt="Shown.", record=None):
        function, arguments, options = DRAWN[name]
        function(*((record,) if record else arguments), alt=alt, **options)
        return only(collected)

    return draw


def texts(svg):
    root = ElementTree.fromstring(svg)
    found = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in found]


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("one", look.LOOKS, ids=lambda one: f"{one.palette.name}{one.narrow}")
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bandwidth", ["load", "copy", "triad", "footprint", "GB/s of one thread, more is better"]),
        ("staircase", ["footprint", "ns per dependent access; bars: levels found"]),
        ("chains", ["all overlap", "16", "accesses in the time of one"]),
        ("strides", ["one line", "16", "64", "stride, in elements"]),
    ],
)
def test_every_look_names_its_quantities_and_lines(take, name, wanted, one):
    shown = texts(take(name).svg(one))
    assert set(wanted) <= set(shown)


@pytest.mark.parametrize("name", ["bandwidth", "staircase"])
def test_caches_that_the_system_states_are_marked(take, name):
    wide = texts(take(name).svg(look.LOOKS[0]))
    assert {"L1 32 KiB", "L2 1 MiB", "L3 32 MiB"} <= set(wide)
    narrow = texts(take(name).svg(look.LOOKS[1]))
    assert {"L1", "L2", "L3"} <= set(narrow)


def test_without_stated_caches_nothing_is_marked(take):
    silent = Record({**LATENCY.data, "machine": {**LATENCY.machine, "caches": None}})
    assert not [text for text in texts(take("staircase", record=silent).svg(look.LOOKS[0]))
                if text.startswith("L")]  # fmt: skip
    assert "The system states" not in figures.describe_staircase(silent)


def test_levels_that_were_found_are_named_by_their_time(take):
    shown = " ".join(texts(take("staircase").svg(look.LOOKS[0])))
    for level in ("1.2", "4.0", "16.", "90."):
        assert level in shown


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_without_words_is_refused(take, name):
    with pytest.raises(FigureError, match="has no alt text"):
        take(name, alt=" ")


@pytest.mark.parametrize("name", DRAWN)
def test_its_words_are_the_alt_text_and_then_the_numbers(take, name):
    picture = take(name, alt="What is seen.")
    assert picture.words.startswith("What is seen. ")
    assert any(digit in picture.numbers for digit in "123456789")


def test_the_staircase_in_words_has_every_level_and_every_cache():
    words = plain(figures.describe_staircase(LATENCY))
    assert words.startswith("Levels found: 1.")
    assert words.count(" up to ") == 3 and "beyond." in words
    assert words.endswith("The system states L1 32 KiB, L2 1 MiB and L3 32 MiB.")


def test_a_curve_without_levels_says_so(take):
    cases = [
        synthetic.case(
            {"cycle_count": 1e3, "chase": 1e3 * 2**step}, baseline="chase",
            footprint=4096 * 2**step, steps=1000,
        )
        for step in range(4)
    ]  # fmt: skip
    record = Record(synthetic.record("mountain.latency", cases))
    assert figures.describe_staircase(record).startswith("No two points of the curve agree")
    assert take("staircase", record=record).svg(look.LOOKS[0])


def test_an_unstable_point_is_hollow(take):
    cases = [dict(case) for case in LATENCY.data["cases"]]
    before = take("staircase").svg(look.LOOKS[0])
    cases[3]["stable"] = False
    after = take("staircase", record=Record({**LATENCY.data, "cases": cases})).svg(look.LOOKS[0])
    assert after.count("fill: #ffffff") == before.count("fill: #ffffff") + 1


def test_chains_in_words_has_every_gain():
    words = plain(figures.describe_chains(CHAINS))
    assert words.startswith("Accesses completed within 128 MiB, against one chain: 1.00× with 1; ")
    assert "with 8;" in words and words.endswith("with 16.")


def test_one_chain_is_no_figure(take):
    case = synthetic.case({"chains_1": 1e6}, footprint=2**27, steps=1000)
    with pytest.raises(FigureError, match="expected several numbers"):
        take("chains", record=Record(synthetic.record("mountain.chains", [case])))


def test_strides_in_words_are_in_order():
    words = plain(figures.describe_strides(STRIDES, kernel="eight_sums"))
    assert words.index("at 1;") < words.index("at 16;") < words.index("at 64.")


def test_the_bandwidth_figure_needs_only_bandwidth(take):
    parts = synthetic_roofs.roofs(complete=False)
    bare = Roofs(parts.peak, parts.bandwidth, None, None)
    assert "load" in texts(take("bandwidth", record=bare).svg(look.LOOKS[0]))
    assert figures.describe_bandwidth(bare) == figures.describe_bandwidth(ROOFS)


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [(16, 300, [20, 50, 100, 200]), (1, 1, [1]), (0.3, 2.5, [0.5, 1, 2]), (3, 4, [])],
)
def test_round_numbers_are_ones_twos_and_fives(low, high, numbers):
    assert parts.round_numbers(low, high) == pytest.approx(numbers)
