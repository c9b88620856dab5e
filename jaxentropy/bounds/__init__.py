"""Bounds on the entropy of a distribution of patterns, from a sample of it."""
