"""Sweeps: many networks, trained and measured on any engine, into one folder."""
