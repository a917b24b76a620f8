"""The chat pairs' part of the spec."""

from typing import Self

from pydantic import Field, model_validator

from assets.config import Config


class ChatConfig(Config):
    """Questions about documented objects, answered in the documents' own words."""

    seed: int = 0
    """Seed of the wording that each question gets."""
    min_answer_characters: int = Field(40, ge=1)
    """Shortest prose that is an answer, in characters."""
    max_answer_characters: int = Field(600, ge=1)
    """Longest prose, in characters: paragraphs are taken while they fit; if the first does not, there is no answer."""

    @model_validator(mode="after")
    def _bounds_leave_room(self) -> Self:
        if self.min_answer_characters > self.max_answer_characters:
            raise ValueError(
                f"min_answer_characters {self.min_answer_characters} exceeds max_answer_characters "
                f"{self.max_answer_characters}: no answer would be kept"
            )
        return self
