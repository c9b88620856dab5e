"""``python -m jaxentropy`` is the command ``jaxentropy``."""

from jaxentropy.cli import main

if __name__ == "__main__":  # processes that a sweep starts import this file too
    main()
