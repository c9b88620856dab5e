"""A results folder: its contract, and what is written into it for people to read."""
