"""The bar at a terminal, and what is said where there is none."""

import io

from rich.console import Console

from accel.bars import Bar, in_words


def console(terminal):
    return Console(file=io.StringIO(), width=80, force_terminal=terminal)


def test_without_a_terminal_there_is_a_line_for_each_new_thing():
    where = console(False)
    with Bar(where) as bar:
        for doing in ("one [of] two", "one [of] two", "two"):
            bar.show(doing, 1, 2, 30)
    assert where.file.getvalue().splitlines() == ["one [of] two", "two"]


def test_at_a_terminal_the_bar_is_gone_in_the_end():
    where = console(True)
    with Bar(where) as bar:
        bar.show("one [of] two", 1, 2, 30)
        bar._bar.refresh()
        assert "one [of] two" in where.file.getvalue()
        assert "about 0:30 left" in where.file.getvalue()
    assert where.file.getvalue().endswith("\x1b[2K")


def test_time_left_is_never_below_zero():
    assert [in_words(each) for each in (None, 90.7, -3)] == ["", "about 1:30 left", "about 0:00 left"]
