"""The learning rate as a function of the step alone: nothing to save, nothing to restore."""

import math

from llm_core.train.config import TrainConfig


def rate_factor(config: TrainConfig, step: int) -> float:
    """Share of the peak rate at a step (0-based): warm-up, then the configured decay.

    Warm-up ends in step ``warmup_steps - 1`` with 1; the decay would reach ``final_rate`` in the step after the last,
    so that no step is wasted on a rate of zero. wsd is warmup-stable-decay (Hu et al., 2024).
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    start = float(config.warmup_steps)
    if config.decay == "wsd":
        start = max(start, config.steps * (1.0 - config.decay_fraction))
    done = min(1.0, max(0.0, (step - start) / max(1.0, config.steps - start)))
    match config.decay:
        case "none":
            left = 1.0
        case "cosine":
            left = (1 + math.cos(math.pi * done)) / 2
        case "linear" | "wsd":
            left = 1.0 - done
    return config.final_rate + (1.0 - config.final_rate) * left
