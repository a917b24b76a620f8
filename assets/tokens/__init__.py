"""Text becomes token ids: the vocabulary with its chat template, and the shards that training reads."""
