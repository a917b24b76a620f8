"""C4's rules (Raffel et al. 2020, section 2.2) as a judge of whole documents: lines are never taken out of a text."""

from assets.documents import Document
from assets.quality.filters import Verdict, quality_filter
from assets.quality.rules.peer import Reasons, ask
from assets.quality.words import SENTENCE_END


@quality_filter("c4")
def c4(
    document: Document,
    *,
    filter_no_terminal_punct: bool = False,
    min_num_sentences: int = 2,
    min_words_per_line: int = 2,
    max_word_length: int = 1000,
    filter_lorem_ipsum: bool = True,
    filter_javascript: bool = False,
    filter_curly_bracket: bool = False,
    filter_policy: bool = True,
) -> Verdict:
    """Drops placeholder text, and pages with too few sentences once menus and cookie lines do not count.

    The paper also counts only lines that end in a full stop, and drops every page with a brace: on documentation that
    is nearly all of it (parameter lists, dict literals), so both are off until the spec asks.
    """
    return ask(
        "C4QualityFilter",
        REASONS,
        **locals(),
    )


REASONS: Reasons = {
    "too_few_sentences": ("few_sentences", lambda text: len([part for part in SENTENCE_END.split(text) if part])),
    "lorem_ipsum": ("lorem_ipsum", lambda text: text.lower().count("lorem ipsum")),
    "curly_bracket": ("curly_bracket", lambda text: text.count("{")),
}
