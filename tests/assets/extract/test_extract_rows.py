"""What a row of a table says of its document stands above what is guessed from the text."""

import pytest

from assets.extract.extract import described


@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        ("text/plain", {}),
        (
            'text/plain; title="Sums"; license="MIT"; language="de"',
            {"title": "Sums", "license": "MIT", "language": "de"},
        ),
        ("text/plain; title*=utf-8''%C3%9Cber%20Summen; language=de-AT", {"title": "Über Summen", "language": "de-AT"}),
    ],
)
def test_a_rows_columns_are_read_from_its_content_type(content_type, said):
    found = described(content_type)
    assert {name: found[name] for name in ("title", "license", "language") if name in found} == said
