"""Every page says where its numbers come from, and whether it is a draft."""

import stamp
import synthetic

from accel.timing import records
from accel.timing.records import Record


def record(**changes):
    return Record(synthetic.noise(**changes))


def test_the_stamp_names_machine_day_profile_and_libraries():
    text = stamp.stamp([record(profile="standard")])
    assert text == (
        "Measured on Imaginary Processor 9000 (2 logical CPUs), 2026-11-23, standard profile. "
        "Python 3.11.7, NumPy 2.4.6, Numba 0.68.1."
    )


def test_records_of_several_days_and_machines_are_told_apart():
    other = {**synthetic.MACHINE, "model": None, "logical_cores": None}
    text = stamp.stamp([record(), record(created="2026-11-25T00:00:00+00:00", machine=other)])
    assert "2026-11-23 to 2026-11-25" in text
    assert "Imaginary Processor 9000" in text and "unnamed processor (unknown number" in text


def test_without_records_the_stamp_says_so():
    assert stamp.stamp([]) == "Nothing measured yet."


def test_one_quick_record_makes_a_draft():
    assert stamp.is_draft([record(profile="standard"), record(profile="quick")])
    assert not stamp.is_draft([record(profile="standard"), record(profile="publish")])
    assert not stamp.is_draft([])


def test_all_pages_are_written_again_when_the_stamp_changes(book):
    template = "<html>{% block body %}{% endblock %}{{ stamp }} {{ theme_announcement }}</html>"
    book.write("conf/_templates/layout.html", template)
    book.configure("measured", "stamp", more="templates_path = ['_templates']")
    book.write("book/index.rst", "Title\n=====\n")
    records.write(synthetic.noise(profile="quick"))
    assert book.build().returncode == 0
    assert "quick profile." in book.page() and "Draft." in book.page()
    records.write(synthetic.noise(profile="standard"))
    assert book.build().returncode == 0
    assert "standard profile." in book.page() and "Draft." not in book.page()
