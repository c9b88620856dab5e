"""Recordings → Profile: every quantity by network, seed, layer and class."""
