"""Write documents one after the other into a folder of token shards."""

from pathlib import Path

from llm_core.feed.shards import TokenDocument, write_index, write_shard


class ShardWriter:
    """Shards of at most `shard_tokens` tokens (one longer document stays whole); the index comes at the end."""

    def __init__(self, folder: Path, vocab_size: int, shard_tokens: int = 1 << 24):
        self.folder, self.vocab_size, self.shard_tokens = folder, vocab_size, shard_tokens
        self.entries, self.pending = [], []
        self.has_loss = False

    def add(self, document: str, tokens, loss=None) -> None:
        if self.pending and sum(len(d.tokens) for d in self.pending) + len(tokens) > self.shard_tokens:
            self.write_pending()
        self.pending.append(TokenDocument(document, tokens, loss))
        self.has_loss = loss is not None

    def write_pending(self) -> None:
        self.entries.append(write_shard(self.folder, len(self.entries), self.pending, self.vocab_size))
        self.pending = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, at) -> None:
        if kind is None:
            if self.pending:
                self.write_pending()
            write_index(self.folder, self.entries, self.vocab_size, has_loss=self.has_loss)
