"""A spec that could not find what it asks for is refused."""

import pytest
from pydantic import ValidationError

from assets.config import field_descriptions
from assets.dedup.config import DedupConfig


def test_every_field_describes_itself():
    assert field_descriptions(DedupConfig).keys() == DedupConfig.model_fields.keys()


def test_banding_that_would_miss_what_it_looks_for_is_refused():
    with pytest.raises(ValidationError, match="use more bands or fewer rows"):
        DedupConfig(bands=2, rows=32)


@pytest.mark.parametrize("wrong", [{"keep": "newest"}, {"min_similarity": 0}, {"bands": 0}, {"seed": -1}, {"band": 4}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        DedupConfig(**wrong)
