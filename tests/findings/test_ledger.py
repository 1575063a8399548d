"""The ledger on a page: ranges struck through, evidence in order, charts true to scale."""

import re

import pytest
import synthetic

from accel.findings.ledger import ledger
from accel.timing.records import Record

CLAIMS = """
[blocking]
title = "Blocking & co"
quote = "2-5x <speedup>"
range = [2, 5]
comparisons = [
  {title = "compiled", experiment = "block_it.ladder", kernel = "blocked", over = "ikj"},
  {title = "over calls", experiment = "block_it.ladder", kernel = "blas_blocked", over = "blas"},
]
"""


@pytest.fixture
def shown(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(CLAIMS)
    return ledger(path, lambda name: Record(synthetic.ladder()))


def test_the_summary_strikes_the_range_through_and_links_to_the_evidence(shown):
    page = shown._repr_html_()
    assert '<a href="#claim-blocking">Blocking &amp; co</a>' in page
    assert "<s>2–5×</s>" in page
    assert "<td>below</td>" in page


def test_the_source_is_quoted_as_text_not_as_markup(shown):
    page = shown.evidence("blocking")._repr_html_()
    assert "2-5x &lt;speedup&gt;" in page


def test_each_comparison_shows_verdict_kernels_and_every_size(shown):
    page = shown.evidence("blocking")._repr_html_()
    assert "compiled: <strong>below</strong>" in page
    assert "<code>blocked</code> over <code>ikj</code>" in page
    assert page.replace("\N{NO-BREAK SPACE}", " ").count("n = 1,024") == 2
    assert re.search(r"1\.50× \(1\.\d\d–1\.\d\d×\)", page)


def test_a_speed_up_that_is_not_resolved_says_so(shown):
    assert "not resolved" in shown.evidence("blocking")._repr_html_()


def test_charts_put_what_lies_below_the_range_to_its_left(shown):
    page = shown.evidence("blocking")._repr_html_()
    charts = re.findall(
        r'class="claim-chart (\w+)".*?<rect x="([\d.]+)".*?class="one" x1="([\d.]+)".*?'
        r'<circle cx="([\d.]+)"', page
    )  # fmt: skip
    assert len(charts) == 10
    for where, band, one, value in charts:
        assert where == "below"
        assert float(one) < float(band)
        assert float(value) < float(band)


def test_it_prints_in_a_terminal_too(shown):
    assert "Blocking & co" in str(shown) and "below" in str(shown)
    assert "compiled: No case measured reaches 2–5×." in str(shown.evidence("blocking"))


@pytest.mark.parametrize(("low", "verdict"), [(2, "below"), (0.1, "confirmed")])
def test_a_range_that_is_open_above_is_shaded_to_the_edge_of_the_chart(tmp_path, low, verdict):
    path = tmp_path / "claims.toml"
    path.write_text(CLAIMS.replace("range = [2, 5]", f"range = [{low}, inf]"))
    page = ledger(path, lambda name: Record(synthetic.ladder())).evidence("blocking")._repr_html_()
    assert f"<s>above {low:g}×</s> <strong>{verdict}</strong>" in page
    for left, width in re.findall(r'<rect x="([\d.]+)" width="([\d.]+)"', page):
        assert float(left) + float(width) == pytest.approx(260, abs=0.2)
