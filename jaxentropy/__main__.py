"""``python -m jaxentropy`` is the command ``jaxentropy``."""

from jaxentropy.cli import main

if __name__ == "__main__":
    main()
