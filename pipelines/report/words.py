"""The story's terms in plain words: stages, models, reasons, numbers."""

import re

STAGES = {
    "raw_crawl": "Crawled",
    "extracted": "Text extracted",
    "deduped": "Deduplicated",
    "cleaned": "Cleaned",
    "quality_filtered": "Quality filtered",
    "quality_model": "Quality classifier",
    "tokenizer": "Tokenizer",
    "token_shards": "Tokenized",
    "pretrained_checkpoint": "Pretrained",
    "chat_pairs": "Chat pairs",
    "finetuned": "Fine-tuned",
    "lora_finetuned": "Fine-tuned by LoRA",
    "quantized": "Quantized to int8",
    "eval_report": "Evaluated",
    "promotion": "Judged",
    "reference": "Monitoring reference",
    "request_log": "Request log",
    "drift_report": "Drift report",
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

MONITORS = {"text_statistics": "length and make-up", "vocabulary": "vocabulary", "model_loss": "the model’s loss"}

FINDINGS = {
    "within": "surely no worse than tolerated",
    "worse": "surely worse, beyond what is tolerated",
    "unclear": "cannot be told yet",
}

DECISIONS = {
    "promote": "Promoted",
    "keep": "Refused: the champion stays",
    "not_enough_evidence": "Not enough evidence: the champion stays",
}

KINDS = {"promoted": "promoted to champion", "kept": "not promoted", "rolled_back": "champion again, by rollback"}


def stage(name: str) -> str:
    """A stage as a heading says it."""
    return STAGES.get(name, plain(name).capitalize())


def reason(name: str) -> str:
    """Why a page was dropped, from the reason's short name; "filter:rule" names both."""
    status = re.fullmatch(r"http_(\d+)", name)
    if status:
        return f"the server answered {status[1]}"
    rule, _, detail = name.partition(":")
    return REASONS.get(name) or (f"{plain(detail)} ({FILTERS.get(rule, plain(rule))})" if detail else plain(name))


def model(name: str) -> str:
    """A model as an evaluation names it."""
    order = re.fullmatch(r"kneser_ney_(\d+)", name)
    return f"Kneser–Ney {order[1]}-gram" if order else STAGES.get(name, plain(name).capitalize())


def score(reason_name: str, value: float | None) -> str:
    """The score that decided, in words; empty where none did."""
    if value is None:
        return ""
    if "duplicate" in reason_name or reason_name.startswith("seen_earlier"):
        return f"{value:.0%} alike"
    return f"score {value:.4g}"


def inline(heading: str) -> str:
    """A heading as it stands inside a sentence."""
    return heading[:1].lower() + heading[1:]


def plain(name: str) -> str:
    return name.replace("_", " ")


def count(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: `1 page`, `1,200 pages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(number: float) -> str:
    """A number in at most four characters and a unit: `950`, `12.3 k`, `4.56 M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            return f"{number / (1e3 if unit == 'k' else size):.3g} {unit}"
    return f"{number:,.0f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def size(size_bytes: int) -> str:
    """Bytes with a binary unit."""
    for exponent, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size_bytes >= 1 << exponent:
            return f"{size_bytes / (1 << exponent):.3g} {unit}"
    return f"{size_bytes} B"
