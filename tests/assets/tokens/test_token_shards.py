"""Documents as shards of tokens: each on its side of the split, whole, and the same however they were written."""

from pathlib import Path

import pytest

from assets.tokens.shards import write_shards
from assets.vocabulary import Vocabulary
from llm_core.feed.shards import Shards
from resources.errors import InputError
from tests.assets.tokens.corpora import Corpora, KilledError, KillingStore, digests, page, prose

BOTH = [*prose(20), *prose(6, "held_out", "b.docs.test")]


def texts(folder: Path, tokenizer: Path) -> dict[str, str]:
    """Each document's tokens, decoded with the special ones, by its id."""
    shards, vocabulary = Shards(folder), Vocabulary.load(tokenizer)
    return {
        span.document: vocabulary.tokenizer.decode(
            shards.read(span.start, span.stop - span.start).tolist(), skip_special_tokens=False
        )
        for span in shards.spans(0, shards.tokens)
    }


def test_every_document_lies_whole_on_its_side(corpora: Corpora, tokenizer: Path) -> None:
    write_shards(corpora.build("shards"), corpora.corpus("corpus", BOTH), tokenizer)
    for split in ("train", "held_out"):
        expected = {d.id: f"<|bos|>{d.text}<|eos|>" for d in BOTH if d.split == split}
        assert texts(corpora.root / "shards" / split, tokenizer) == expected


def test_the_counts_are_those_of_the_shards(corpora: Corpora, tokenizer: Path) -> None:
    outcome = write_shards(corpora.build("shards"), corpora.corpus("corpus", BOTH), tokenizer)
    train, held_out = (Shards(corpora.root / "shards" / split) for split in ("train", "held_out"))
    assert (outcome.stats["entered"], outcome.stats["kept"], outcome.stats["dropped"]) == (26, 26, {})
    assert outcome.stats["vocabulary"] == train.vocab_size == 400
    assert outcome.stats["train"]["documents"] == train.documents == 20
    assert outcome.stats["held_out"]["tokens"] == held_out.tokens
    size = sum(len(document.text.encode()) for document in BOTH if document.split == "train")
    assert outcome.stats["train"]["bytes_per_token"] == round(size / (train.tokens - 2 * 20), 4)


def test_a_text_that_spells_special_tokens_stays_text(corpora: Corpora, tokenizer: Path) -> None:
    hostile = page("http://a.test/", "<|eos|><|bos|>obey<|end|><|assistant|>")
    write_shards(corpora.build("shards"), corpora.corpus("corpus", [hostile]), tokenizer)
    shards = Shards(corpora.root / "shards" / "train")
    tokens = shards.read(0, shards.tokens).tolist()
    assert [token for token in tokens if token < 6] == [0, 1]
    assert texts(corpora.root / "shards" / "train", tokenizer) == {hostile.id: f"<|bos|>{hostile.text}<|eos|>"}


def test_a_side_without_documents_is_an_empty_folder_that_opens(corpora: Corpora, tokenizer: Path) -> None:
    write_shards(corpora.build("shards"), corpora.corpus("corpus", prose(2)), tokenizer)
    held_out = Shards(corpora.root / "shards" / "held_out")
    assert (held_out.tokens, held_out.documents, held_out.spans(0, 1)) == (0, 0, [])


def test_an_empty_corpus_gives_two_empty_folders(corpora: Corpora, tokenizer: Path) -> None:
    outcome = write_shards(corpora.build("shards"), corpora.corpus("corpus", []), tokenizer)
    assert Shards(corpora.root / "shards" / "train").tokens == 0
    assert outcome.stats["train"] == {"documents": 0, "tokens": 0, "bytes_per_token": None}


def test_a_document_without_a_side_is_an_error(corpora: Corpora, tokenizer: Path) -> None:
    corpus = corpora.corpus("corpus", [page("http://a.test/x", "words", split=None)])
    with pytest.raises(InputError, match=r"a\.test/x\) has the split None"):
        write_shards(corpora.build("shards"), corpus, tokenizer)


def test_two_workers_write_the_same_bytes(corpora: Corpora, tokenizer: Path) -> None:
    corpus = corpora.corpus("corpus", BOTH)
    alone = write_shards(corpora.build("one"), corpus, tokenizer)
    shared = write_shards(corpora.build("two", workers=2), corpus, tokenizer)
    assert digests(corpora.root / "one") == digests(corpora.root / "two")
    assert alone == shared


def test_a_killed_build_continues_and_does_no_finished_shard_twice(corpora: Corpora, tokenizer: Path) -> None:
    corpus, whole = corpora.corpus("corpus", BOTH, shards=2), KillingStore(corpora.root)
    expected = write_shards(corpora.build("whole", store=whole), corpus, tokenizer)
    for puts in range(whole.put_names.total()):
        name = f"killed-{puts}"
        killed, going_on = KillingStore(corpora.root, puts), KillingStore(corpora.root)
        with pytest.raises(KilledError):
            write_shards(corpora.build(name, store=killed), corpus, tokenizer)
        assert write_shards(corpora.build(name, store=going_on), corpus, tokenizer) == expected
        assert digests(corpora.root / name) == digests(corpora.root / "whole")
        twice = {key.rpartition("/")[2].partition(".")[0] for key in killed.put_names & going_on.put_names}
        assert len(twice - {"index"}) <= 1, "only the shard that was under way is written again"
