"""Figures of choosing name every backend, in colours and in words."""

import pytest
import synthetic
from drawings import only, text_of, texts_of

from accel.figures import FigureError
from accel.figures import dispatching as figures
from accel.figures.look import DARK, LIGHT, LOOKS, Look
from accel.timing.records import Record

BACKENDS = ("numpy", "numba", "numba-threads")
SIZES = (3 << 10, 3 << 20)


def case(operation, n, numpy, numba, threads, auto, stable=True):
    times = {"numpy": numpy, "numba": numba, "numba-threads": threads, "auto": auto}
    made = synthetic.case(times, baseline="numpy", jitter=0.001, operation=operation, n=n)
    return made if stable else made | {"stable": False, "reasons": ["stolen time"]}


def record(stable=True):
    return Record(
        synthetic.record(
            "dispatch.regret",
            [
                case("gelu", 1000, 4e6, 2e6, 1e6, 1.2e6),
                case("gelu", 30, 4e3, 2e3, 9e3, 2e3),
                case("row_sums", 30, 1e3, 1e3, 1e3, 1e3),
                case("row_sums", 1000, 2e6, 2e6, 4e6, 2e6, stable),
            ],
        )
    )


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.palette.name}-{look.narrow}")
def test_regret_has_a_panel_for_each_operation_and_a_legend(collected, look):
    figures.regret(record(), BACKENDS, "auto", alt="Regret.")
    text = texts_of(only(collected).svg(look))
    assert {"gelu", "row sums", "numpy", "numba", "threads", "auto"} <= set(text)


def test_regret_in_words_has_the_range_of_each_line():
    told = figures.describe_regret(record(), BACKENDS, "auto")
    assert "gelu: numpy 2.00–4.00×, numba 1.00–2.00×" in told
    assert "auto 1.00–1.20×" in told


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.palette.name}-{look.narrow}")
def test_the_map_names_winners_ties_and_losses(collected, look):
    figures.dispatch_map(record(), BACKENDS, "auto", sizes=SIZES, alt="Map.")
    text = text_of(only(collected).svg(look))
    assert "numba" in text and "threads" in text and "auto 1.20×" in text
    assert "tie of" in text and "= " in text
    assert "KiB" in text and "MiB" in text


def test_the_map_says_what_is_unstable(collected):
    figures.dispatch_map(record(stable=False), BACKENDS, "auto", sizes=SIZES, alt="Map.")
    picture = only(collected)
    assert "unstable" in text_of(picture.svg(Look(LIGHT)))
    assert "3\N{NO-BREAK SPACE}MiB unstable" in picture.numbers


def test_the_map_in_words_goes_from_small_to_large():
    told = figures.describe_map(record(), BACKENDS, "auto", SIZES)
    told = told.replace("\N{NO-BREAK SPACE}", " ")
    assert "gelu: 3 KiB numba, 3 MiB numba-threads (auto takes 1.20× its time)" in told
    assert "row sums: 3 KiB" in told


def test_patterns_differ_between_backends(collected):
    figures.dispatch_map(record(), BACKENDS, "auto", sizes=SIZES, alt="Map.")
    assert only(collected).svg(Look(DARK)).count("<pattern") == 2  # that of NumPy is plain


def test_an_operation_without_a_case_for_each_size_is_refused():
    with pytest.raises(FigureError, match="gelu has 2 cases, expected one for each of 3 sizes"):
        figures.dispatch_map(record(), BACKENDS, "auto", sizes=(1, 2, 3), alt="Map.")


def test_a_backend_that_was_not_measured_is_an_error():
    with pytest.raises(FigureError, match="no kernel 'cuda'"):
        figures.regret(record(), (*BACKENDS, "cuda"), "auto", alt="Regret.")
    with pytest.raises(FigureError, match="no cases"):
        figures.regret(Record(synthetic.record("a.b", [])), BACKENDS, "auto", alt="Regret.")


NAMES = {"mlp": "MLP", "cnn_block": "CNN block"}


def code_record():
    cases = [
        synthetic.case(
            {"plain": 1e6, "numpy": 1.1e6, "auto": 1e6 / speed},
            baseline="plain", operation=name, jitter=0.001, n=8,
        )  # fmt: skip
        for name, speed in {"mlp": 3.0, "cnn_block": 0.5}.items()
    ]
    return Record(synthetic.record("dispatch.unmodified", cases))


@pytest.mark.parametrize("narrow", [False, True])
def test_unmodified_code_has_a_row_for_each_policy(collected, narrow):
    figures.unmodified(code_record(), ("numpy", "auto"), NAMES, alt="Code.")
    text = texts_of(only(collected).svg(Look(LIGHT, narrow)))
    assert {"MLP", "CNN block"} <= set(text)
    assert text.count("numpy") == text.count("auto") == 2
    assert any(each.startswith("3.0") and each.endswith("×") for each in text)


def test_unmodified_code_in_words_tells_losses():
    told = figures.describe_unmodified(code_record(), ("numpy", "auto"), NAMES)
    assert "MLP numpy 0.909× (slower), auto 3.00×" in told
    assert "CNN block" in told and "auto 0.500× (slower)" in told


def test_a_figure_needs_alternative_text():
    with pytest.raises(FigureError, match="alt"):
        figures.unmodified(code_record(), ("numpy", "auto"), NAMES, alt=" ")
