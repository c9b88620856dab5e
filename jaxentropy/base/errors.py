"""What speaks to the user: one exception, and warnings."""


class InputError(ValueError):
    """Something given to jaxentropy cannot be used; the message says what was wrong, and what to do.

    The command line prints it as one line and exits with status 2.
    """


class DepthOrderWarning(UserWarning):
    """Layers may not be in the order of depth."""


class ConstantLayerWarning(UserWarning):
    """A layer has the same pattern for every input, so all its entropies are 0, whatever the network does."""
