"""A network's activations → states → packed bits: the Recording."""
