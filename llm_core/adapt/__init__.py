"""Parameter-efficient adaptation of a trained model."""
