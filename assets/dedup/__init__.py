"""Deduplication: one page of each group of equal or nearly equal ones, within a snapshot and across them."""
