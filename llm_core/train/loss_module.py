"""Model and objective as one module, which is what distributed wrappers and compilers need to see."""

import torch
from torch import Tensor, nn

from llm_core.errors import ConfigError
from llm_core.feed.batches import Batch
from llm_core.model.transformer import Embedding, Transformer
from llm_core.objectives.next_token import next_token_loss


class LossModule(nn.Module):
    """Tokens to the summed next-token loss."""

    def __init__(self, model: Transformer, chunk: int, dtype: torch.dtype = torch.float32) -> None:
        """Wrap a model; ``chunk`` is that of ``next_token_loss``, ``dtype`` that of matrix products."""
        super().__init__()
        self.model, self.chunk, self.dtype = model, chunk, dtype

    def forward(self, batch: Batch) -> Tensor:
        """Loss in nats, summed over the targets that count."""
        with torch.autocast(batch.tokens.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            states = self.model.states(batch.tokens, documents=batch.documents)  # (rows, length, hidden)
        targets, weights = batch.targets, batch.weights
        loss, _ = next_token_loss(states, self.head(), targets, weights, chunk=self.chunk, dtype=self.dtype)
        return loss

    def head(self) -> Tensor:
        """The output matrix (vocab, hidden).

        Raises:
            ConfigError: if an adapter wraps it: the loss multiplies with the plain matrix.
        """
        head = self.model.embed_tokens if self.model.lm_head is None else self.model.lm_head
        if type(head) not in (Embedding, nn.Linear):
            raise ConfigError(f"the output head is a {type(head).__name__}; leave it out of the adapter's targets")
        return head.weight

    def compile_blocks(self) -> None:
        """Compile each block in place (all share one compiled graph); names in the state dict stay."""
        for block in self.model.layers:
            block.compile(dynamic=False)

    def uncompile_blocks(self) -> None:
        """Go back to eager blocks."""
        for block in self.model.layers:
            block._compiled_call_impl = None  # what Module.compile set; it has no public inverse
