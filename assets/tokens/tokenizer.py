"""The vocabulary: a byte-level BPE learned from the training documents, and the template of a conversation."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from assets.documents import read_batches, read_documents, shard_names
from assets.tokens.config import TokenizerConfig
from assets.vocabulary import ASSISTANT, BOS, END, SPECIAL_TOKENS, TEMPLATE_FILE, TOKENIZER_FILE, USER
from resources.build import Build, Outcome, Progress
from resources.errors import BuildError

MEGABYTE = 1_000_000
REPORT_EVERY = 200

PIECES = (
    r"(?i:'(?:s|t|re|ve|m|ll|d))(?![\p{L}\p{M}])"  # English endings
    r"|[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+"  # a word, with the space, dot or underscore before it
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"  # punctuation, with the line's end
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"  # indentation in one piece, but for the space that belongs to the word
    r"|\s+"
)
"""How text is cut before merging (after tiktoken's cl100k pattern, with combining marks kept in words): no merge
crosses a piece, so digits stay in threes and runs of white space together."""

CHAT_TEMPLATE = (
    "{%- set turns = messages -%}"
    "{%- set preface = '' -%}"
    "{%- if messages and messages[0]['role'] == 'system' -%}"
    "{%- set preface = messages[0]['content'] + '\\n\\n' -%}"
    "{%- set turns = messages[1:] -%}"
    "{%- endif -%}"
    "{%- if not turns or turns[0]['role'] != 'user' -%}"
    "{{- raise_exception('a conversation begins with a message of the user') -}}"
    "{%- endif -%}"
    f"{{{{- '{BOS}' -}}}}"
    "{%- for turn in turns -%}"
    "{%- if turn['role'] == 'user' -%}"
    f"{{{{- '{USER}' + (preface if loop.first else '') + turn['content'] + '{END}' -}}}}"
    "{%- elif turn['role'] == 'assistant' -%}"
    f"{{{{- '{ASSISTANT}' + turn['content'] + '{END}' -}}}}"
    "{%- else -%}"
    "{{- raise_exception('the role ' + turn['role'] + ' has no place here: user and assistant, after one system') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    f"{{%- if add_generation_prompt -%}}{{{{- '{ASSISTANT}' -}}}}{{%- endif -%}}"
)
"""How a conversation is written. A system message, for which there is no token, stands before the first question."""


def train_tokenizer(build: Build, config: TokenizerConfig, corpus: Path) -> Outcome:
    """Fill the build with `tokenizer.json` and `chat_template.jinja`, learned from the training documents.

    All 256 bytes are in the vocabulary and nothing is normalized, so any text comes back byte for
    byte. Encoding adds no special token by itself: shards put `<|bos|>` and `<|eos|>` around a
    document, and the template writes its own. Very small corpora give fewer tokens than asked for.

    Raises:
        BuildError: if no document is for training.
    """
    if not build.has(TOKENIZER_FILE):
        tokenizer = _learn(build, config, corpus)
        build.write(TOKENIZER_FILE, tokenizer.to_str(pretty=True))
    build.write(TEMPLATE_FILE, CHAT_TEMPLATE)
    with build.local(TOKENIZER_FILE) as path:
        size = Tokenizer.from_file(str(path)).get_vocab_size()
    return Outcome({"vocabulary": size, "merges": size - len(SPECIAL_TOKENS) - 256})


def _learn(build: Build, config: TokenizerConfig, corpus: Path) -> Tokenizer:
    size = _training_bytes(corpus)
    if size == 0:
        raise BuildError(
            f"{corpus}: no document with text has the split 'train', so there is nothing to learn a vocabulary from; "
            "crawl more, or hold fewer hosts out (quality.split)"
        )
    tokenizer = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = _sample(corpus, config.sample_mb * MEGABYTE / size)
    tokenizer.train_from_iterator(_reported(build, texts, min(config.sample_mb, size / MEGABYTE)), trainer)
    return tokenizer


def _reported(build: Build, texts: Iterator[str], total_mb: float) -> Iterator[str]:
    read = 0
    for number, text in enumerate(texts):
        if number % REPORT_EVERY == 0:
            build.report(Progress("learn vocabulary", read / MEGABYTE, total_mb, "MB"))
        read += len(text.encode())
        yield text


def _sample(corpus: Path, share: float) -> Iterator[str]:
    """Training texts, each kept with this probability by a hash of its id; the first always, so that there is one."""
    limit, is_first = share * 2**64, True
    for document in read_documents(corpus):
        if document.split != "train" or not document.text:
            continue
        digest = hashlib.blake2b(f"sample {document.id}".encode(), digest_size=8).digest()
        if is_first or int.from_bytes(digest, "big") < limit:
            yield document.text
        is_first = False


def _training_bytes(corpus: Path) -> int:
    """UTF-8 bytes of the training texts."""
    total = 0
    for path in shard_names(corpus):
        for batch in read_batches(path, ["text", "split"]):
            texts = batch["text"].filter(pc.equal(batch["split"], "train"))
            total += pc.sum(pc.binary_length(texts)).as_py() or 0
    return total
