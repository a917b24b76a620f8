"""The page: the story's charts and sentences put into the template; all text is escaped on the way."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.report import charts, figures, words
from pipelines.report.gather import figure_of_champion
from pipelines.report.story import Story


@dataclass(frozen=True)
class Headline:
    """A figure in large type."""

    value: str
    label: str
    note: str


@dataclass(frozen=True)
class Moment:
    """A point of the registry's timeline."""

    date: str
    title: str
    text: str
    kind: str


def render(story: Story) -> str:
    """The whole page: one HTML document that needs nothing beside itself."""
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    context = {
        "story": story,
        "style": Markup(style),
        "words": words,
        "headlines": tuple(headlines(story)),
        "lede": lede(story),
        "moments": tuple(moments(story)),
        "reasons": figures.by_size,
        "funnels": {date: [c for c in story.funnel if c.snapshot == date] for date in story.snapshots},
    }
    return _environment().get_template("template.html.jinja").render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        funnel=figures.funnel_chart,
        losses=figures.loss_chart,
        models=figures.models_chart,
        domains=figures.domains_chart,
        completions=figures.completions_chart,
        gains=figures.gains_chart,
        shares=figures.shares_chart,
        by_model=figures.samples_by_model,
        histogram=lambda h: charts.histogram(h.edges, h.window, h.reference, ("this window", "reference")),
        compared=figures.compared,
        seconds=figures.seconds_chart,
        sizes=figures.sizes_chart,
    )
    return environment


def lede(story: Story) -> str:
    """The story in a sentence or two."""
    if not story.funnel:
        return "Nothing has been made here yet. “tidemill run” crawls, builds a corpus, trains a model and judges it."
    considered = sum(count.entered for count in story.funnel if count.stage == "raw_crawl")
    kept = sum(count.kept for count in story.funnel if count.stage == "quality_filtered")
    tokens = sum(count.train for count in story.tokens)
    told = words.count(len(story.snapshots), "crawl snapshot")
    told += f" looked at {words.count(considered, 'address', 'addresses')}"
    told += f" and left {words.count(kept, 'document')} worth learning from"
    told += f", {words.count(tokens, 'training token')} long." if tokens else "."
    champion = story.registry.champion
    if champion is None:
        return told + " No model has become champion yet."
    versions = words.count(len(story.registry.versions), "model version")
    return f"{told} Of {versions} in the registry, version {champion.version} is the champion that serves."


def headlines(story: Story) -> Iterator[Headline]:
    """The five figures that one looks for first."""
    kept = sum(count.kept for count in story.funnel if count.stage == "quality_filtered")
    tokens = sum(count.train for count in story.tokens)
    considered = sum(count.entered for count in story.funnel if count.stage == "raw_crawl")
    yield Headline(
        words.short(story.pages_fetched) if considered else "–", "pages fetched", f"of {considered:,} addresses"
    )
    yield Headline(words.short(kept) if kept else "–", "documents kept", "after every filter")
    yield Headline(words.short(tokens) if tokens else "–", "training tokens", _seen(story))
    champion = story.registry.champion
    if champion is None:
        yield Headline("–", "champion", "no model has passed the gate yet")
    else:
        yield Headline(f"v{champion.version}", "champion", f"{words.stage(champion.stage)}, {champion.partition}")
    found = figure_of_champion(story)
    if found is None:
        yield Headline("–", "bits per byte", "the champion has not been evaluated")
    else:
        name, report = found
        figure = report.models[name].overall
        others = " · ".join(
            f"{words.model(other)} {report.models[other].overall.bits_per_byte:.2f}"
            for other in ("unigram", report.kneser_ney)
            if other in report.models
        )
        yield Headline(f"{figure.bits_per_byte:.2f}", "bits per byte of the champion", others)


def _seen(story: Story) -> str:
    seen = sum(training.tokens for training in story.trainings)
    return f"{words.short(seen)} seen in training" if seen else "no model trained yet"


def moments(story: Story) -> Iterator[Moment]:
    """The journal as a timeline: the versions of a snapshot together, then each decision."""
    waiting: list[str] = []
    entries = story.registry.entries
    for entry, after in zip_longest(entries, entries[1:]):
        if entry.kind == "registered":
            waiting.append(f"version {entry.version}, {words.inline(words.stage(entry.stage))}")
            if after is None or after.kind != "registered" or after.partition != entry.partition:
                title = words.count(len(waiting), "version") + " registered"
                yield Moment(entry.partition, title, "; ".join(waiting) + ".", "registered")
                waiting = []
        else:
            title = f"Version {entry.version} {words.KINDS[entry.kind]}"
            yield Moment(entry.partition, title, entry.reason.rstrip(".") + "." if entry.reason else "", entry.kind)
