"""Packed bits → how often each neuron was on, and each pattern was seen. Counts are exact integers."""
