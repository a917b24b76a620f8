"""Model and objective as one module, which is what distributed wrappers and compilers need to see."""

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from llm_core.errors import ConfigError
from llm_core.feed.batches import Batch, validation_batches
from llm_core.feed.shards import Shards
from llm_core.model.transformer import Embedding, Transformer
from llm_core.objectives.next_token import next_token_loss
from llm_core.train.config import TrainConfig


class LossModule(nn.Module):
    """Tokens to the summed next-token loss."""

    def __init__(self, model: Transformer, chunk: int) -> None:
        """Wrap a model; ``chunk`` is that of ``next_token_loss``. ``dtype``, that of matrix products, may be changed.

        Raises:
            ConfigError: if an adapter wraps the output head: the loss multiplies with the plain matrix.
        """
        super().__init__()
        self.model, self.chunk, self.dtype = model, chunk, torch.float32
        head = model.embed_tokens if model.lm_head is None else model.lm_head
        if type(head) not in (Embedding, nn.Linear):
            raise ConfigError(f"the output head is a {type(head).__name__}; leave it out of the adapter's targets")

    def forward(self, batch: Batch) -> Tensor:
        """Loss in nats, summed over the targets that count."""
        with torch.autocast(batch.tokens.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            states = self.model.states(batch.tokens, documents=batch.documents)  # (rows, length, hidden)
        head = self.model.embed_tokens if self.model.lm_head is None else self.model.lm_head
        return next_token_loss(states, head.weight, batch.targets, batch.weights, chunk=self.chunk, dtype=self.dtype)

    def compile_blocks(self) -> None:
        """Compile each block in place (all share one compiled graph); names in the state dict stay."""
        for block in self.model.layers:
            block.compile(dynamic=False)


@torch.no_grad()
def validate(module: LossModule, shards: Shards, config: TrainConfig, accelerator: Accelerator) -> tuple[float, int]:
    """Score the validation windows, shared among the processes: mean loss in nats a target, and the targets."""
    module.eval()
    sums = torch.zeros(2, dtype=torch.float64)
    for batch in validation_batches(
        shards,
        length=config.length,
        rows=config.micro_batch or config.sequences // accelerator.num_processes,
        limit=config.validation_windows,
        rank=accelerator.process_index,
        processes=accelerator.num_processes,
    ):
        loss = module(batch.to(accelerator.device))
        sums += torch.tensor([loss.item(), batch.targets_in_step], dtype=torch.float64)
    module.train()
    loss_sum, targets = accelerator.reduce(sums.to(accelerator.device), "sum").tolist()
    return loss_sum / max(1.0, targets), int(targets)
