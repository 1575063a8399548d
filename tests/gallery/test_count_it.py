"""Page 3: its exercise can be run, and its starting point is wrong in every part."""

import textwrap
from pathlib import Path

import pytest

from accel.kernels import operation

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "gallery" / "03_count" / "plot_03_count_it.py").read_text("utf-8")

#: The answers, worked out by hand from the counts that the page states.
ANSWERS = '''
def matmul(n):
    return 2 * n**3 / (4 * 3 * n**2)
def gelu(n):
    return 8 / 8
def layernorm(rows, width):
    return rows * (7 * width + 5) / (4 * (2 * rows * width + 2 * width))
def conv2d(side, channels):
    places = (side - 2) ** 2
    numbers = channels * side**2 + 9 * channels**2 + channels * places
    return 18 * channels**2 * places / (4 * numbers)
'''


def exercise():
    block = PAGE.partition("# .. code-block:: python\n#\n")[2].partition("\n#\n# **Next need")[0]
    return textwrap.dedent("\n".join(line[2:] for line in block.splitlines()))


def test_starting_point_is_wrong_in_every_part(capsys):
    exec(exercise(), {})
    assert capsys.readouterr().out.splitlines() == [
        "matmul not yet", "gelu not yet", "layernorm not yet", "conv2d not yet",
    ]  # fmt: skip


def test_answers_worked_out_by_hand_pass_its_check(capsys):
    head, sizes = exercise().split("sizes = {")
    exec(head + ANSWERS + "sizes = {" + sizes, {})
    assert capsys.readouterr().out.splitlines() == [
        "matmul right", "gelu right", "layernorm right", "conv2d right",
    ]  # fmt: skip


@pytest.mark.parametrize("n", [6, 64, 1024])
def test_intensity_of_a_matrix_product_is_a_sixth_of_its_size(n):
    product = operation("matmul")
    assert product.flops(n=n) / product.compulsory_bytes(n=n) == pytest.approx(n / 6)
