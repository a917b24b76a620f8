"""The classifier: trains soundly, tells documentation from spoiled copies of it, and says when it cannot be trained."""

import hashlib
import json

import pytest

from assets.quality.classifier import MODEL, Example, features, score, train
from assets.quality.config import ClassifierConfig, QualityConfig
from assets.quality.spoil import WAYS, spoil
from assets.quality.training import METRICS, train_classifier
from resources.errors import InputError

SMALL = ClassifierConfig(max_examples=150, min_examples=20, buckets=1 << 12)
CONFIG = QualityConfig(classifier=SMALL, split={"held_out_share": 0})


@pytest.fixture(scope="module")
def model(documentation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    examples = [Example(document.text, "kept") for document in documentation[::2]]
    examples += [Example(spoil(example.text, str(n))[1], "spoiled") for n, example in enumerate(examples)]
    train(examples, SMALL, folder / "lines.txt", folder / MODEL)
    return folder / MODEL


def test_documentation_scores_higher_than_each_spoiled_copy_of_it(documentation, model):
    unseen = [document.text for document in documentation[1::2]]
    good = sorted(score(model, text, SMALL.max_tokens) for text in unseen)
    assert good[len(good) // 20] > SMALL.threshold
    for way in WAYS:
        seeds = (str(n) for n in range(10_000))
        bad = [spoiled for text in unseen for kind, spoiled in [spoil(text, next(seeds))] if kind == way]
        scores = sorted(score(model, text, SMALL.max_tokens) for text in bad)
        assert scores[len(scores) // 2] < good[len(good) // 4], way


def test_training_again_in_a_process_with_used_memory_gives_the_same_bytes(documentation, tmp_path):
    # fastText with one thread leaves most of its weights as the allocator hands them out.
    examples = [Example(document.text, "kept") for document in documentation[:60]]
    examples += [Example(spoil(example.text, "0")[1], "spoiled") for example in examples]
    digests = set()
    for attempt in range(3):
        used = [b"\xff" * size for size in range(1000, 2_000_000, 9973)]
        del used
        train(examples, SMALL, tmp_path / "lines.txt", tmp_path / f"{attempt}.bin")
        digests.add(hashlib.sha256((tmp_path / f"{attempt}.bin").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_text_cannot_label_itself():
    line = features("__label__good __label__bad\n__label__good ok_name", 100)
    assert not any(token.startswith("__label__") for token in line.split(" "))
    assert "\n" not in line


def test_a_score_is_a_rounded_number_between_0_and_1(documentation, model):
    for text in ("", "\n", "🙂", "x" * 100_000, documentation[0].text):
        value = score(model, text, SMALL.max_tokens)
        assert 0 <= value <= 1
        assert value == round(value, 4)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / MODEL).write_bytes(b"not a model at all, but long enough to look at")
    with pytest.raises(InputError, match="not a fastText model"):
        score(tmp_path / MODEL, "text", 10)


def test_the_stage_reports_accuracy_on_examples_that_it_did_not_train_on(
    documentation, write_corpus, new_build, tmp_path
):
    config = QualityConfig(classifier={"buckets": 1 << 12}, split={"held_out_share": 0})
    outcome = train_classifier(new_build("model"), config, write_corpus(documentation))
    metrics = json.loads((tmp_path / "lake/model" / METRICS).read_text())
    assert outcome.stats == metrics
    assert metrics["mode"] == "fasttext"
    assert metrics["tested_on"] > 30
    assert metrics["trained_on"] > 2 * metrics["tested_on"]
    assert metrics["accuracy"] > 0.75
    assert set(metrics["kept_by_kind"]) >= {"kept", *WAYS}


def test_the_model_is_the_same_for_one_worker_and_two(documentation, write_corpus, new_build, hashes_of):
    corpus = write_corpus(documentation[::4])
    for workers in (1, 2):
        train_classifier(new_build(f"model-{workers}", workers), CONFIG, corpus)
    assert hashes_of("model-1") == hashes_of("model-2")


def test_a_stopped_stage_continues_to_the_same_model(documentation, write_corpus, new_build, hashes_of, monkeypatch):
    corpus = write_corpus(documentation[::4])
    train_classifier(new_build("undisturbed"), CONFIG, corpus)
    with monkeypatch.context() as patch:
        patch.setattr("assets.quality.training.train", _stop)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(new_build("stopped"), CONFIG, corpus)
    monkeypatch.setattr("assets.quality.training.nsmallest", _choose_but_do_not_judge_again)
    train_classifier(new_build("stopped"), CONFIG, corpus)
    assert hashes_of("stopped") == hashes_of("undisturbed")


def test_held_out_documents_are_no_examples(documentation, write_corpus, new_build):
    config = CONFIG.model_copy(update={"split": CONFIG.split.model_copy(update={"held_out_hosts": ("docs.test",)})})
    outcome = train_classifier(new_build("model"), config, write_corpus(documentation))
    assert outcome.stats == {"mode": "rules_only", "good": 0, "rejected": 0}


def test_with_too_few_documents_there_is_no_model_and_the_stats_say_so(
    documentation, write_corpus, new_build, tmp_path
):
    outcome = train_classifier(new_build("model"), CONFIG, write_corpus(documentation[:12]))
    assert outcome.stats["mode"] == "rules_only"
    assert not (tmp_path / "lake/model" / MODEL).exists()


def _stop(*_, **__):
    raise KeyboardInterrupt


def _choose_but_do_not_judge_again(count, entries, key):
    import heapq

    chosen = heapq.nsmallest(count, entries, key=key)
    assert not chosen or not isinstance(chosen[0], tuple), "a finished shard was judged again"
    return chosen
