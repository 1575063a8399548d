"""Where numbers come from: a row per experiment, remarks from the record alone."""

import pytest
import synthetic

from accel.timing import memory, provenance, records
from accel.timing.records import Record


def record(**changes):
    return Record(synthetic.noise(**changes))


def test_the_newest_record_is_the_one_made_last():
    old, new = record(created="2026-01-01T00:00:00+00:00"), record()
    assert provenance.newest([new, old]) is new
    with pytest.raises(ValueError, match="no records yet"):
        provenance.newest([])


def experiments():
    return [record.experiment for record in provenance.records_of_last_build()]


def test_records_are_listed_by_experiment(results):
    assert experiments() == []
    records.write(synthetic.noise())
    records.write(synthetic.sweep())
    assert experiments() == ["block_it.sweep", "time_it.noise"]


def test_what_other_code_or_another_profile_left_behind_is_not_of_this_book(results):
    early = {"created": "2026-01-01T00:00:00+00:00"}
    records.write(synthetic.noise("time_it.renamed", **early, sources={"accel": "2" * 64}))
    records.write(synthetic.noise("time_it.dropped", **early, profile="standard"))
    records.write(synthetic.noise())
    assert experiments() == ["time_it.noise"]


def test_each_experiment_has_an_anchor_that_links_can_reach():
    page = provenance.Provenance((record(),))._repr_html_()
    assert f'id="{provenance.anchor("time_it.noise")}"' in page
    assert provenance.anchor("time_it.noise") == "record-time_it-noise"


def test_a_row_says_question_script_profile_effort_and_noise_floor():
    text = str(provenance.Provenance((record(),)))
    for part in ("What does time_it.noise cost?", "plot_02_time_it.py", "2026-11-23, quick",
                 "6 processes, 40 rounds, williams", "±0."):  # fmt: skip
        assert part in text


def test_unstable_cases_are_counted():
    data = synthetic.noise()
    data["cases"][0].update(stable=False, reasons=["the hypervisor took 3 % of the time"])
    assert "1 of 1 cases unstable" in str(provenance.Provenance((Record(data),)))


def test_questions_are_shown_as_text():
    page = provenance.Provenance((record(question="is a < b?"),))._repr_html_()
    assert "is a &lt; b?" in page


def test_remarks_come_from_the_record_not_from_this_computer(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert provenance.remarks(record())._repr_html_() == "<p>Nothing to remark.</p>"


def test_a_virtual_machine_and_a_removed_override_are_remarked():
    machine = {**synthetic.MACHINE, "virtualised": True, "hypervisor": "KVM"}
    software = {**record().software, "removed_overrides": {"OPENBLAS_CORETYPE": "Haswell"}}
    remarks = str(provenance.remarks(record(machine=machine, software=software)))
    assert "virtual machine" in remarks
    assert "OPENBLAS_CORETYPE=Haswell" in remarks


def test_the_machine_table_has_the_card_and_the_day():
    table = str(provenance.machine_table(record()))
    assert "Imaginary Processor 9000" in table and "2026-11-23" in table


def test_every_number_about_memory_has_a_row_that_says_what_it_misses():
    table = provenance.memory_table()
    assert [row[0] for row in table.rows] == [field.label for field in memory.FIELDS.values()]
    assert all(all(row) for row in table.rows)
