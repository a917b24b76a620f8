"""The tokenizer gives any text back byte for byte, and is the same file however it was trained."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.tokens.config import TokenizerConfig
from assets.tokens.tokenizer import train_tokenizer
from assets.vocabulary import SPECIAL_TOKENS, Vocabulary
from llm_core.generate.text_stream import TokenBytes
from llm_core.interop.huggingface import export_huggingface
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.serve.chat_template import ChatError, ChatTemplate, Message
from resources.errors import BuildError, InputError
from tests.assets.tokens.corpora import Corpora, KilledError, KillingStore, digests, page, prose

TEXTS = st.text() | st.lists(st.sampled_from([*SPECIAL_TOKENS, " ", "\r\n", "    ", "x", "<|", "1234"])).map("".join)


@pytest.fixture(scope="module")
def vocabulary(tokenizer: Path) -> Vocabulary:
    return Vocabulary.load(tokenizer)


@pytest.fixture(scope="module")
def exported(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tokenizer as `AutoTokenizer` loads it from an exported model."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    model = Transformer(ModelConfig(vocab_size=400, hidden_size=32, layers=1, heads=2))
    template = (tokenizer / "chat_template.jinja").read_text()
    export_huggingface(model, folder, tokenizer_file=tokenizer / "tokenizer.json", chat_template=template)
    return transformers.AutoTokenizer.from_pretrained(folder)


@settings(deadline=None)
@given(text=TEXTS)
@example(text="Grüße, 世界 🌊👩‍👩‍👧 \0\x1f\u2028 e\u0301 नमस्ते\r\n\n\ttab  ")
@example(text=" lead and trail  ")
@example(text="don 't , no . < | end | >")
def test_any_text_comes_back_byte_for_byte(vocabulary: Vocabulary, exported: Any, text: str) -> None:
    (ids,) = vocabulary.encode([text])
    assert vocabulary.tokenizer.decode(ids, skip_special_tokens=False) == text
    assert exported.decode(ids) == text
    assert exported.decode(exported(text)["input_ids"]) == text


@settings(deadline=None)
@given(text=TEXTS)
def test_a_text_cannot_become_a_special_token(vocabulary: Vocabulary, text: str) -> None:
    (ids,) = vocabulary.encode([text])
    assert all(token >= len(SPECIAL_TOKENS) for token in ids)


def test_special_tokens_have_fixed_ids_and_bytes_follow(vocabulary: Vocabulary, exported: Any) -> None:
    assert [vocabulary.tokenizer.id_to_token(number) for number in range(6)] == list(SPECIAL_TOKENS)
    assert (exported.bos_token_id, exported.eos_token_id, exported.pad_token_id) == (0, 1, 2)
    assert vocabulary.size == 400
    assert sorted(TokenBytes(vocabulary.tokenizer).bytes[6:262]) == [bytes([byte]) for byte in range(256)]


def test_digits_stay_in_threes_and_indentation_together(vocabulary: Vocabulary) -> None:
    texts = [vocabulary.tokenizer.decode([number]) for number in range(6, vocabulary.size)]
    digits = [text for text in texts if any(character.isdigit() for character in text)]
    assert all(text.isdigit() and len(text) <= 3 for text in digits)
    assert max(map(len, digits)) > 1
    (ids,) = vocabulary.encode(["\n        return"])
    assert [vocabulary.tokenizer.decode([token]) for token in ids] == ["\n", " " * 7, " return"]


def test_only_training_documents_are_learned_from(corpora: Corpora) -> None:
    quiet, loud = prose(10), [page(f"http://b.test/{n}", "zyzzyva " * 50, "held_out") for n in range(10)]
    for name, documents in {"without": quiet, "with": [*quiet, *loud]}.items():
        corpus = corpora.corpus(f"corpus-{name}", documents)
        train_tokenizer(corpora.build(name), TokenizerConfig(vocab_size=300), corpus)
    assert digests(corpora.root / "with") == digests(corpora.root / "without")


def test_a_cap_takes_an_even_sample(corpora: Corpora) -> None:
    early = [page(f"http://a.test/{n}", "early " * 100) for n in range(40)]
    late = [page(f"http://b.test/{n}", "later " * 100) for n in range(40)]
    corpus = corpora.corpus("corpus", [*early, *late], shards=1)
    train_tokenizer(corpora.build("capped"), TokenizerConfig(vocab_size=300, sample_mb=0.012), corpus)
    vocabulary = Vocabulary.load(corpora.root / "capped")
    assert [len(ids) for ids in vocabulary.encode([" early", " later"])] == [1, 1]


def test_the_stats_say_how_many_tokens_there_are(corpora: Corpora) -> None:
    stats = train_tokenizer(corpora.build("one"), TokenizerConfig(vocab_size=300), corpora.corpus("c", prose(20))).stats
    assert stats == {"vocabulary": 300, "merges": 38}


def test_a_small_corpus_gives_fewer_tokens(corpora: Corpora) -> None:
    corpus = corpora.corpus("corpus", [page("http://a.test/", "ab ab")])
    stats = train_tokenizer(corpora.build("tokenizer"), TokenizerConfig(vocab_size=4096), corpus).stats
    assert stats["merges"] == 1


def test_nothing_to_learn_from_is_an_error(corpora: Corpora) -> None:
    corpus = corpora.corpus("corpus", prose(3, "held_out"))
    with pytest.raises(BuildError, match="no document with text has the split 'train'"):
        train_tokenizer(corpora.build("tokenizer"), TokenizerConfig(), corpus)


def test_a_killed_training_gives_the_same_files(corpora: Corpora) -> None:
    corpus, config = corpora.corpus("corpus", prose(20)), TokenizerConfig(vocab_size=300)
    train_tokenizer(corpora.build("whole"), config, corpus)
    for puts in range(2):
        with pytest.raises(KilledError):
            train_tokenizer(corpora.build(f"killed-{puts}", store=KillingStore(corpora.root, puts)), config, corpus)
        train_tokenizer(corpora.build(f"killed-{puts}"), config, corpus)
        assert digests(corpora.root / f"killed-{puts}") == digests(corpora.root / "whole")


def test_threads_and_processes_do_not_change_the_bytes(corpora: Corpora) -> None:
    corpora.corpus("corpus", prose(60))
    for name, environment in {
        "one": {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
        "many": {"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": "4", "PYTHONHASHSEED": "2"},
    }.items():
        code = (
            "from pathlib import Path; from assets.tokens.config import TokenizerConfig;"
            "from assets.tokens.tokenizer import train_tokenizer; from tests.assets.tokens.corpora import Corpora;"
            f"corpora = Corpora(Path({str(corpora.root)!r}));"
            f"train_tokenizer(corpora.build({name!r}), TokenizerConfig(vocab_size=400), corpora.root / 'corpus')"
        )
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **environment})
    assert digests(corpora.root / "one") == digests(corpora.root / "many")


def test_another_tokenizer_is_refused_by_name(corpora: Corpora, tokenizer: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json is no tokenizer"):
        Vocabulary.load(corpora.root)
    text = (tokenizer / "tokenizer.json").read_text()
    (corpora.root / "tokenizer.json").write_text(text.replace("<|bos|>", "<|start|>"))
    with pytest.raises(InputError, match=r"<\|bos\|> has the id None, not 0"):
        Vocabulary.load(corpora.root)


CONVERSATION = [("system", "Be brief."), ("user", "What is x?"), ("assistant", "A letter."), ("user", "And y?")]


def test_the_template_writes_a_conversation_the_same_way_everywhere(tokenizer: Path, exported: Any) -> None:
    expected = (
        "<|bos|><|user|>Be brief.\n\nWhat is x?<|end|><|assistant|>A letter.<|end|><|user|>And y?<|end|><|assistant|>"
    )
    turns = [{"role": role, "content": content} for role, content in CONVERSATION]
    assert exported.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == expected
    assert exported.apply_chat_template(turns, tokenize=False) == expected.removesuffix("<|assistant|>")
    served = ChatTemplate((tokenizer / "chat_template.jinja").read_text(), SPECIAL_TOKENS)
    assert served.render([Message(role, content) for role, content in CONVERSATION]) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (["assistant"], "begins with a message of the user"),
        (["system"], "begins with a message of the user"),
        (["user", "system"], "the role system has no place here"),
    ],
)
def test_the_template_refuses_what_it_cannot_write(tokenizer: Path, roles: list[Any], message: str) -> None:
    template = ChatTemplate((tokenizer / "chat_template.jinja").read_text(), SPECIAL_TOKENS)
    with pytest.raises(ChatError, match=message):
        template.render([Message(role, "words") for role in roles])
