"""Smaller variants of a trained model, and how far they are from it."""
