"""Charts as SVG: where marks lie, and that nothing a label says becomes markup."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.report import charts, words
from pipelines.report.charts import Mark, Row


def test_the_longest_row_of_bars_fills_the_track_and_others_are_to_scale():
    drawn = charts.bars([Row("a", [Mark(30), Mark(10, tone="dropped")]), Row("b", [Mark(20)])])
    widths = [float(width) for width in re.findall(r'<rect x="[\d.]+%" width="([\d.]+)%"', drawn)]
    assert widths == [75.0, 25.0, 50.0]


def test_an_error_bar_spans_its_interval_and_is_missing_where_there_is_none():
    drawn = charts.bars([Row("a", [Mark(1.0, 0.5, 1.5)]), Row("b", [Mark(1.0)])], unit="bits")
    assert drawn.count('class="whisker') == 3
    whisker = re.search(r'<line x1="([\d.]+)%" x2="([\d.]+)%"', drawn)
    assert whisker is not None
    assert math.isclose(float(whisker[1]), 100 * 0.5 / 1.5, abs_tol=0.01)
    assert float(whisker[2]) == 100


def test_labels_are_escaped():
    drawn = charts.bars([Row("<script>", [Mark(1.0)], "<b>", "&")], unit="<i>", line=(0.5, "<u>"))
    assert not re.search(r"<(script|b|i|u)>", drawn)


def test_a_long_curve_is_thinned_and_keeps_its_last_point():
    points = [(step, float(step)) for step in range(10_000)]
    drawn = charts.curves({"loss": points}, x="step", y="nats")
    corners = re.search(r'points="([^"]+)"', drawn)[1].split()
    assert len(corners) < 300
    assert corners[-1].startswith("100.0,")


def test_a_loss_that_is_no_number_leaves_a_gap_and_an_empty_curve_no_chart():
    assert "nan" not in charts.curves({"loss": [(0, 2.0), (1, math.nan), (2, 1.0)]}, x="step", y="nats")
    assert charts.curves({"loss": [(0, math.nan)], "other": []}, x="step", y="nats") == ""


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_every_mark_lies_on_its_track(values):
    drawn = charts.intervals(
        [Row(str(n), [Mark(value, value - 1, value + 1)]) for n, value in enumerate(values)], unit=""
    )
    places = [float(place) for place in re.findall(r'c?x[12]?="(-?[\d.]+)%"', drawn)]
    assert all(0 <= place <= 100 for place in places)


def test_reasons_are_told_in_words():
    assert words.reason("http_503") == "the server answered 503"
    assert words.reason("gopher_quality:too_short") == "too short (Gopher)"
    assert words.reason("a_new_reason") == "a new reason"


def test_numbers_are_told_with_their_unit():
    assert [words.short(n) for n in (950, 12_340, 4_560_000)] == ["950", "12.3 k", "4.56 M"]
    assert [words.duration(s) for s in (0.25, 7.04, 75, 600)] == ["0.25 s", "7 s", "75 s", "10 min"]
    assert [words.size(n) for n in (10, 2048, 3 << 20)] == ["10 Bytes", "2 KiB", "3 MiB"]
