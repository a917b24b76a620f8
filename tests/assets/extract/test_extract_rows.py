"""What a row of a table says of its document stands above what is guessed from the text."""

from dataclasses import replace

import pytest

from assets.captures import Capture
from assets.extract.columns import Description, described

CAPTURE = Capture("id", "file:a.jsonl#1", "2026-01-05", "resource", 200, "text/plain", "", "", "", "", 0, 0)


@pytest.mark.parametrize(
    ("content_type", "description"),
    [
        ("text/plain; charset=utf-8", Description()),
        ('text/plain; title="Sums"; license="MIT"; language="de"', Description("Sums", "MIT", "de")),
        ("text/plain; title*=utf-8''%C3%9Cber%20Summen; language=de-AT", Description("Über Summen", "", "de")),
    ],
)
def test_a_rows_columns_are_read_from_its_content_type(content_type, description):
    assert described(replace(CAPTURE, content_type=content_type)) == description
