"""The one exception that speaks to the user."""


class InputError(ValueError):
    """Something given to jaxentropy cannot be used; the message says what was wrong, and what to do.

    The command line prints it as one line and exits with status 2.
    """
