"""The story's terms in plain words: stages, models, reasons, numbers."""

import re

import humanize

STAGES = {
    "raw_crawl": "Crawled",
    "extracted": "Text extracted",
    "deduped": "Deduplicated",
    "token_shards": "Tokenized",
    "pretrained_checkpoint": "Pretrained",
    "finetuned": "Fine-tuned",
    "lora_finetuned": "Fine-tuned by LoRA",
    "quantized": "Quantized to int8",
    "eval_report": "Evaluated",
    "promotion": "Judged",
    "champion": "Champion it was judged against",
    "reference": "Monitoring reference",
}
REASONS = {
    "robots": "robots.txt asks crawlers to stay out",
    "noai": "opted out of AI training (noai)",
    "tdm_reservation": "text and data mining rights reserved",
    "redirect": "redirects elsewhere",
    "redirect_loop": "redirects in a circle",
    "depth": "deeper than the crawl goes",
    "content_type": "not a page of text",
    "unchanged": "unchanged since an earlier snapshot",
    "exact_duplicate": "word for word a copy",
    "near_duplicate": "nearly the same as another page",
    "seen_earlier_exact": "a copy of a page of an earlier snapshot",
    "seen_earlier_near": "nearly the same as a page of an earlier snapshot",
    "empty_after_cleaning": "nothing left after cleaning",
    "contaminated": "overlaps the evaluation set",
}
FILTERS = {"gopher_quality": "Gopher", "gopher_repetition": "Gopher repetition", "fineweb": "FineWeb", "c4": "C4"}
FINDINGS = {
    "within": "surely no worse than tolerated",
    "worse": "surely worse, beyond what is tolerated",
    "unclear": "cannot be told yet",
}


def stage(name: str) -> str:
    """A stage, or a model as an evaluation names it, as a heading says it."""
    order = re.fullmatch(r"kneser_ney_(\d+)", name)
    return f"Kneser–Ney {order[1]}‑gram" if order else STAGES.get(name, plain(name).capitalize())


def reason(name: str) -> str:
    """Why a page was dropped, from the reason's short name; "filter:rule" names both."""
    status = re.fullmatch(r"http_(\d+)", name)
    if status:
        return f"the server answered {status[1]}"
    rule, _, detail = name.partition(":")
    return REASONS.get(name) or (f"{plain(detail)} ({FILTERS.get(rule, plain(rule))})" if detail else plain(name))


def score(of_reason: str, value: float) -> str:
    """The score that decided, in words."""
    is_alike = "duplicate" in of_reason or of_reason.startswith("seen_earlier")
    return f"{value:.0%} alike" if is_alike else f"score {value:.4g}"


def plain(name: str) -> str:
    return name.replace("_", " ")


def count(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: `1 page`, `1,200 pages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(number: float) -> str:
    """A number in at most five characters and a unit: `950`, `12.3 k`, `4.56 M`; a dash for none."""
    return humanize.metric(number) if number >= 10_000 else f"{number:,}" if number else "–"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(size_bytes: float) -> str:
    """Bytes with a binary unit."""
    return humanize.naturalsize(size_bytes, binary=True, format="%.3g")
