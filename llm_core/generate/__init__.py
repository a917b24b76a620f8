"""Text from a model: sampling, stop rules, streaming text, and continuous batching."""
