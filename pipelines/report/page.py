"""The page: the story's charts and sentences put into the template; all text is escaped on the way."""

from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from pipelines.report import figures, words
from pipelines.report.charts import TEMPLATES
from pipelines.report.story import Story


def render(story: Story) -> str:
    """The whole page: one HTML document that needs nothing beside itself."""
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    # The versions of a snapshot are told together, then each decision.
    moments = groupby(story.registry.entries, key=lambda entry: (entry.kind, entry.partition))
    return TEMPLATES.get_template("page.html.jinja").render(
        story=story,
        style=Markup(style),
        words=words,
        figures=figures,
        moments=[(kind, date, list(entries)) for (kind, date), entries in moments],
    )
