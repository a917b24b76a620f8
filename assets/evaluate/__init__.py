"""Evaluation on held-out documents, and the gate that decides which model is champion."""
