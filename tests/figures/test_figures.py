"""Figures: words that follow from the record, palettes that can be read, files that are stable."""

import re
import sys
from subprocess import run
from xml.etree import ElementTree

import pytest
import synthetic
from drawings import only, text_of

from accel import figures
from accel.figures import look, parts
from accel.timing.records import Record

LADDER = Record(synthetic.ladder())
SPEEDUPS = Record(synthetic.speedups())
SWEEP = Record(synthetic.sweep())
NOISE = Record(synthetic.noise())


def drifting(name, slow):
    times = {"first": 1.0e6, "second": 1.0e6 * slow}
    return Record(synthetic.record(name, [synthetic.case(times, baseline="first", n=1)]))


DRAWINGS = {
    "ladder": lambda **words: figures.ladder(LADDER, current="blocked", **words),
    "whole ladder": lambda **words: figures.ladder(LADDER, **words),
    "rungs": lambda **words: figures.rungs(LADDER, current="tiled", **words),
    "speedup_curve": lambda **words: figures.speedup_curve(
        SPEEDUPS, over="loop", kernels=["compiled", "numpy"], band=(10, 100), **words
    ),
    "sweep": lambda **words: figures.sweep(SWEEP, prefix="blocked_", **words),
    "noise": lambda **words: figures.noise(NOISE, **words),
    "warmup": lambda **words: figures.warmup(NOISE, **words),
    "drift": lambda **words: figures.drift(drifting("a.b", 1.2), drifting("a.c", 1.0), **words),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_draws_in_every_look_without_a_request_or_an_embedded_date(collected, name):
    DRAWINGS[name](alt="Shown.")
    picture = only(collected)
    for one in look.LOOKS:
        svg = picture.svg(one)
        addresses = set(re.findall(r"https?://[^\"'<> ]+", svg))
        assert all("w3.org" in a or "purl.org" in a or "creativecommons" in a for a in addresses)
        assert "<dc:date>" not in svg
        assert "system-ui" in svg and "DejaVu" not in svg


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_same_record_gives_the_same_file_again(collected, name):
    DRAWINGS[name](alt="Shown.")
    picture = only(collected)
    assert picture.svg(look.LOOKS[0]) == picture.svg(look.LOOKS[0])


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("alt", ["", "  \n "])
def test_a_figure_without_words_is_refused_by_name(collected, name, alt):
    with pytest.raises(figures.FigureError, match=r"figure [\w.-]+ has no alt text"):
        DRAWINGS[name](alt=alt)


@pytest.mark.parametrize("name", DRAWINGS)
def test_alt_must_be_given(collected, name):
    with pytest.raises(TypeError, match="alt"):
        DRAWINGS[name]()


def test_alternative_text_is_the_scripts_sentence_followed_by_numbers(collected):
    figures.ladder(LADDER, alt="The whole ladder.")
    words = only(collected).words
    assert words.startswith("The whole ladder. GFLOP/s of each step at its largest size:")
    assert "row times matrix 3.99 at n = 1024" in words or "row times matrix 4.0" in words
    assert "lists 0.0" in words and "at n = 128" in words


def test_steps_after_the_current_one_are_left_out_and_the_rival_stays(collected):
    figures.ladder(LADDER, current="blocked", alt="Shown.")
    picture = only(collected)
    shown = text_of(picture.svg(look.LOOKS[0]))
    assert "blocked" in shown and "ikj" in shown and "blas" in shown
    assert "packed" not in shown and "tiled" not in shown
    assert "packed" not in picture.words


def test_earlier_steps_are_dashed_and_grey(collected):
    figures.ladder(LADDER, steps=["ikj", "blocked"], current="blocked", alt="Shown.")
    svg = only(collected).svg(look.LOOKS[0])
    dashed = [line for line in re.findall(r"<path [^>]*>", svg) if "stroke-dasharray" in line]
    assert dashed
    assert all(look.LIGHT.ghost in line for line in dashed)


def test_an_unknown_current_step_is_refused_with_the_choices(collected):
    with pytest.raises(figures.FigureError, match="blokced.*not among.*ikj, blocked"):
        figures.ladder(LADDER, current="blokced", alt="Shown.")


def test_an_unknown_kernel_is_refused_with_the_choices(collected):
    with pytest.raises(figures.FigureError, match="no kernel 'gpu'.*compiled"):
        figures.speedup_curve(SPEEDUPS, over="loop", kernels=["gpu"], alt="Shown.")


def test_an_unknown_case_is_refused_with_the_choices(collected):
    with pytest.raises(figures.FigureError, match="float64.*there are.*n="):
        figures.ladder(LADDER, alt="Shown.", dtype="float64")


def test_a_sweep_without_numbered_kernels_is_refused(collected):
    with pytest.raises(figures.FigureError, match="no kernel tile_<number>"):
        figures.sweep(SWEEP, prefix="tile_", alt="Shown.")


def test_a_drift_figure_of_three_kernels_is_refused(collected):
    three = synthetic.case({"a": 1e6, "b": 1e6, "c": 1e6}, n=1)
    record = Record(synthetic.record("time_it.drift", [three]))
    with pytest.raises(figures.FigureError, match="two kernels, this case has a, b, c"):
        figures.drift(record, record, alt="Shown.")


def test_the_fastest_block_size_is_named_and_its_equals_with_it():
    alone = Record(synthetic.sweep())
    assert "Fastest block size, or not separated from it: 64." in figures.describe_sweep(
        alone, prefix="blocked_"
    )
    times = {"blocked_16": 1.3e8, "blocked_32": 1.0e8, "blocked_64": 1.0e8}
    equal = synthetic.case(times, baseline="blocked_64", n=1024, jitter=0.05)
    record = Record(synthetic.record("block_it.sweep", [equal]))
    assert "not separated from it: 32 and 64." in figures.describe_sweep(record, prefix="blocked_")


def test_an_unresolved_speed_up_is_told_as_such_and_drawn_hollow(collected):
    equal = {"loop": 1.0e6, "numpy": 1.0e6}
    apart = {"loop": 9.0e6, "numpy": 1.0e6}
    cases = [synthetic.case(equal, n=1, jitter=0.05), synthetic.case(apart, n=10)]
    record = Record(synthetic.record("vectorise.relu", cases))
    assert record.cases[0].verdict("numpy", over="loop") == "not resolved"
    words = figures.describe_speedups(record, over="loop", kernels=["numpy"])
    assert re.search(r"not resolved, at n = 1 and 9\.\d+× \([^)]*\) at n = 10", words)
    figures.speedup_curve(record, over="loop", kernels=["numpy"], alt="Shown.")
    hollow = only(collected).svg(look.LOOKS[0])
    assert f"fill: {look.LIGHT.background}" in hollow


def test_drift_says_which_order_misses_one():
    words = figures.describe_drift(drifting("a.b", 1.3), drifting("a.c", 1.0))
    assert re.search(r"one after the other 0\.7\d+× \([^)]*\), apart from 1", words)
    assert re.search(r"in turns .*, which includes 1", words)
    words = figures.describe_drift(drifting("a.b", 1.0), drifting("a.c", 1.3))
    assert re.search(r"in turns 0\.7\d+× \([^)]*\), apart from 1", words)


def test_noise_keeps_every_sample(collected):
    figures.noise(NOISE, alt="Shown.")
    picture = only(collected)
    assert picture.words.startswith("Shown. 240 rounds in 6 processes")
    points = picture.svg(look.LOOKS[0]).count("<use ")
    assert points >= 240


def test_warm_up_tells_the_first_call_apart():
    assert "blas: first call 101 ms, later calls 2.00 ms." in re.sub(
        "\N{NO-BREAK SPACE}", " ", figures.describe_warmup(NOISE)
    )


def luminance(color):
    def linear(channel):
        share = int(channel, 16) / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(color[start : start + 2]) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first, second):
    dark, bright = sorted((luminance(first), luminance(second)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [look.LIGHT, look.DARK], ids=lambda palette: palette.name)
@pytest.mark.parametrize("ink", ["ink", "muted", "interpreter", "numpy", "compiled"])
def test_colours_of_text_can_be_read_on_the_page_and_on_the_band(palette, ink):
    assert contrast(getattr(palette, ink), palette.background) >= 4.5
    if ink in ("ink", "muted"):
        assert contrast(getattr(palette, ink), palette.band) >= 4.5


def test_instruments_differ_by_marker_too():
    one = look.LOOKS[0]
    assert len({one.marker(name) for name in ("interpreter", "NumPy", "compiled")}) == 3


@pytest.mark.parametrize(
    ("wanted", "sizes", "expected"),
    [
        ([], [], []),
        ([0.5], [0.1], [0.5]),
        ([0.2, 0.8], [0.1, 0.1], [0.2, 0.8]),
        ([0.5, 0.5], [0.2, 0.2], [0.5, 0.7]),
        ([0.99, 0.99], [0.2, 0.2], [0.7, 0.9]),
        ([0.0], [0.2], [0.1]),
        ([0.9, 0.1], [0.1, 0.1], [0.9, 0.1]),
        ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], [1 / 6, 1 / 2, 5 / 6]),
    ],
)
def test_labels_keep_apart_and_inside(wanted, sizes, expected):
    assert parts.spread(wanted, sizes) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (64, "64"), (1000, "1 k"), (1024, "1024"), (10**7, "10 M")]
)
def test_sizes_on_axes_are_short(value, text):
    assert parts.compact(value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_script_run_by_itself_leaves_a_file_beside_its_records(results, capsys, monkeypatch):
    monkeypatch.setattr(look, "_collecting", False)
    figures.ladder(LADDER, current="ikj", alt="Shown.")
    path = results / "block_it.ladder-ladder-ikj.svg"
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    printed = capsys.readouterr().out
    assert str(path) in printed and "Shown. GFLOP/s" in printed
    assert look.take() == []


def test_four_files_are_written_with_their_sizes(collected, tmp_path):
    figures.rungs(LADDER, alt="Shown.")
    written = look.write_variants(only(collected), tmp_path / "x")
    assert [variant.path.name for variant in written] == [
        "x.svg", "x_narrow.svg", "x_dark.svg", "x_dark_narrow.svg",
    ]  # fmt: skip
    for variant in written:
        root = ElementTree.parse(variant.path).getroot()
        width = float(root.get("width").removesuffix("pt")) * 96 / 72
        assert width == pytest.approx(variant.width, abs=1)
        assert root.get("height").endswith("pt")


def test_figures_do_not_load_pyplot_nor_change_settings():
    code = (
        "import matplotlib, sys, synthetic\n"
        "names = [name for name in matplotlib.rcParams if name != 'backend']\n"
        "before = [matplotlib.rcParams[name] for name in names]\n"
        "from accel import figures\nfrom accel.figures import look\n"
        "from accel.timing.records import Record\nlook.collect()\n"
        "figures.sweep(Record(synthetic.sweep()), prefix='blocked_', alt='x')\n"
        "look.take()[0].svg(look.LOOKS[0])\n"
        "assert [matplotlib.rcParams[name] for name in names] == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = run([sys.executable, "-c", code], cwd=synthetic.FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
