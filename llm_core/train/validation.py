"""The mean loss over held-out shards."""

import torch
from accelerate import Accelerator

from llm_core.feed.batches import validation_batches
from llm_core.feed.shards import Shards
from llm_core.train.config import TrainConfig
from llm_core.train.loss_module import LossModule


@torch.no_grad()
def validate(module: LossModule, shards: Shards, config: TrainConfig, accelerator: Accelerator) -> tuple[float, int]:
    """Score the validation windows, shared among the processes: mean loss in nats a target, and the targets."""
    was_training = module.training
    module.eval()
    rows = config.micro_batch or config.sequences // accelerator.num_processes
    sums = torch.zeros(2, dtype=torch.float64)
    for batch in validation_batches(
        shards,
        length=config.length,
        rows=rows,
        limit=config.validation_windows,
        rank=accelerator.process_index,
        processes=accelerator.num_processes,
    ):
        loss = module(batch.to(accelerator.device))
        sums += torch.tensor([loss.item(), batch.targets_in_step], dtype=torch.float64)
    module.train(was_training)
    loss_sum, targets = accelerator.reduce(sums.to(accelerator.device), "sum").tolist()
    return loss_sum / max(1.0, targets), int(targets)
