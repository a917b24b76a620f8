"""The stage as a whole: the accounting closes, the bytes do not depend on workers or kills, splits never mix."""

import pytest

from assets.documents import Document, read_documents, read_dropped
from assets.quality import filters
from assets.quality.classifier import MODEL, Example, train
from assets.quality.config import ClassifierConfig, QualityConfig
from assets.quality.filtering import filter_quality
from assets.quality.filters import known_filters, quality_filter
from assets.quality.spoil import spoil
from assets.split import host_of
from resources.errors import BuildError

HELD_OUT = ("typing.python.docs.test", "inspect.python.docs.test")
CONFIG = QualityConfig(
    split={"held_out_hosts": HELD_OUT, "held_out_share": 0},
    classifier=ClassifierConfig(max_examples=150, min_examples=20, buckets=1 << 12),
)
SPAM = "Buy now the best cheap download, click here for free shipping and a discount on every casino. " * 4


@pytest.fixture(scope="module")
def some(documentation):
    """Enough for every path of the stage, few enough to filter often."""
    return documentation[::4]


@pytest.fixture
def corpus(some, write_corpus, page):
    hostile = [
        page("http://odd.test/empty", ""),
        page("http://odd.test/one-word", "x" * 200_000),
        page("http://odd.test/bytes", "\x00\ufffd\u202e " * 100),
        page("http://[odd/spam", SPAM),
    ]
    return write_corpus([*some, *hostile])


@pytest.fixture(scope="module")
def model(documentation, tmp_path_factory):
    """A classifier's folder, trained once."""
    folder = tmp_path_factory.mktemp("model")
    examples = [Example(document.text, "kept") for document in documentation]
    examples += [Example(spoil(example.text, str(n))[1], "spoiled") for n, example in enumerate(examples)]
    train(examples, CONFIG.classifier, folder / "lines.txt", folder / MODEL)
    return folder


def test_every_document_is_kept_or_dropped_with_a_reason(corpus, model, new_build, some, tmp_path):
    stats = filter_quality(new_build("filtered"), CONFIG, corpus, model).stats
    kept, dropped = list(read_documents(tmp_path / "lake/filtered")), list(read_dropped(tmp_path / "lake/filtered"))
    assert stats["entered"] == len(some) + 4 == len(kept) + len(dropped)
    assert stats["kept"] == len(kept) == stats["train"] + stats["held_out"]
    assert sum(stats["dropped"].values()) == len(dropped)
    assert {document.id for document in kept}.isdisjoint(entry.id for entry in dropped)
    assert stats["classifier"] == "fasttext"
    assert stats["kept"] / len(some) > 0.85


def test_every_kept_document_has_a_quality_at_or_above_the_threshold(corpus, model, new_build, tmp_path):
    filter_quality(new_build("filtered"), CONFIG, corpus, model)
    for document in read_documents(tmp_path / "lake/filtered"):
        assert CONFIG.classifier.threshold - 1e-6 <= document.quality <= 1
    for entry in read_dropped(tmp_path / "lake/filtered"):
        if entry.reason == "classifier":
            assert entry.score < CONFIG.classifier.threshold


def test_a_higher_threshold_drops_more(corpus, model, new_build):
    strict = CONFIG.model_copy(update={"classifier": CONFIG.classifier.model_copy(update={"threshold": 0.9})})
    few = filter_quality(new_build("strict"), strict, corpus, model).stats
    many = filter_quality(new_build("usual"), CONFIG, corpus, model).stats
    assert few["dropped"]["classifier"] > many["dropped"].get("classifier", 0)


def test_held_out_hosts_are_never_in_training(corpus, model, new_build, tmp_path):
    filter_quality(new_build("filtered"), CONFIG, corpus, model)
    sides = {"train": set(), "held_out": set()}
    for document in read_documents(tmp_path / "lake/filtered"):
        sides[document.split].add(host_of(document.url))
    assert sides["held_out"] == set(HELD_OUT)
    assert sides["train"].isdisjoint(HELD_OUT)
    assert len(sides["train"]) > 20


def test_without_a_model_the_rules_alone_decide_and_the_stats_say_so(corpus, new_build, tmp_path):
    (tmp_path / "lake/no-model").mkdir()
    stats = filter_quality(new_build("filtered"), CONFIG, corpus, tmp_path / "lake/no-model").stats
    assert stats["classifier"] == "rules_only"
    assert {document.quality for document in read_documents(tmp_path / "lake/filtered")} == {1.0}


def test_the_bytes_are_the_same_for_one_worker_and_two(corpus, model, new_build, hashes_of):
    outcomes = [filter_quality(new_build(f"w{n}", n), CONFIG, corpus, model) for n in (1, 2)]
    assert hashes_of("w1") == hashes_of("w2")
    assert outcomes[0] == outcomes[1]


def test_a_stopped_build_continues_where_it_stopped(corpus, model, new_build, hashes_of, monkeypatch):
    monkeypatch.setattr(filters, "_FILTERS", dict(known_filters()))
    seen: list[str] = []
    stops = {"after": 10**9}

    @quality_filter("watched")
    def watched(document: Document):
        seen.append(document.id)
        if len(seen) > stops["after"]:
            raise KeyboardInterrupt

    config = CONFIG.model_copy(update={"filters": (*CONFIG.filters, *QualityConfig(filters=("watched",)).filters)})
    filter_quality(new_build("undisturbed"), config, corpus, model)
    whole = len(seen)

    for fraction in (0.05, 0.9):
        stops["after"] = int(fraction * whole)
        seen.clear()
        with pytest.raises(KeyboardInterrupt):
            filter_quality(new_build(f"stopped-{fraction}"), config, corpus, model)
        stops["after"] = 10**9
        seen.clear()
        filter_quality(new_build(f"stopped-{fraction}"), config, corpus, model)
        assert hashes_of(f"stopped-{fraction}") == hashes_of("undisturbed")
        assert len(seen) <= whole
    assert len(seen) < whole / 2, "finished shards were judged again"


def test_a_filter_that_fails_in_a_worker_stops_the_build_and_names_the_document(corpus, new_build, monkeypatch):
    monkeypatch.setattr(filters, "_FILTERS", dict(known_filters()))

    @quality_filter("fragile")
    def fragile(document: Document):
        return document.text.index("no document has this")

    with pytest.raises(BuildError, match="'fragile' failed on document"):
        filter_quality(new_build("filtered"), QualityConfig(filters=("fragile",)), corpus, None)


def test_an_empty_corpus_is_filtered_into_an_empty_one(write_corpus, new_build):
    stats = filter_quality(new_build("filtered"), CONFIG, write_corpus([]), None).stats
    assert (stats["entered"], stats["kept"], stats["dropped"]) == (0, 0, {})
