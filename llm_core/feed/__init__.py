"""Tokens in training order: shards on disk, the order of steps, the skip-list, and batches made from the three."""
