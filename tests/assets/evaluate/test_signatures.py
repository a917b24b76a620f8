"""Questions about signatures: what is asked, and when an answer counts."""

import numpy as np

from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import read_held_out
from assets.evaluate.signatures import Question, find_signatures, make_questions
from assets.vocabulary import Vocabulary

TEXT = """Before.

# pack.norm(x, ord=None)

The norm.

## pack.empty()

print(x)

### Not a signature (see below)
"""


def test_headings_with_arguments_are_signatures() -> None:
    (found,) = find_signatures("d", TEXT)

    assert (found.name, found.rest) == ("pack.norm", "x, ord=None)\n")
    assert found.context == "Before.\n\n# pack.norm("
    assert found.following.startswith("The norm.")


def test_a_long_text_before_is_cut_at_a_line() -> None:
    (found,) = find_signatures("d", "first line\n" + "word " * 100 + "\n# f.g(a)")

    assert found.context == "# f.g("


def test_questions_ask_one_of_each_document_among_distinct_choices(world) -> None:
    config = EvaluateConfig(completion_choices=3)
    documents, _ = read_held_out(world.shards, world.corpora, config)

    asked = make_questions(documents, Vocabulary.load(world.tokenizer_folder), config)

    assert len({question.document for question in asked}) == len(asked) == 12
    for question in asked:
        texts = [world.tokenizer.decode(sequence.tolist()) for sequence in question.sequences]
        document = next(document for document in documents if document.id == question.document)
        assert document.text.startswith(texts[0])
        assert len(set(texts)) == 3
        prefixes = {tuple(sequence[: question.differs].tolist()) for sequence in question.sequences}
        assert len(prefixes) == 1
        assert len({int(sequence[question.differs]) for sequence in question.sequences}) > 1


def test_no_question_without_enough_signatures(world) -> None:
    config = EvaluateConfig(completion_choices=50)
    documents, _ = read_held_out(world.shards, world.corpora, config)

    assert make_questions(documents, Vocabulary.load(world.tokenizer_folder), config) == []


def test_the_likeliest_choice_per_byte_is_the_answer_and_a_tie_is_none() -> None:
    question = Question("d", (np.array([0, 1]), np.array([0, 2])), 1, (10, 5))

    assert question.is_right([6.0, 4.0])
    assert not question.is_right([8.0, 4.0])
