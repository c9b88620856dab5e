"""Networks as apply functions that give each layer's activations by name.

::

    table = je.layers(model, variables, images)  # what is found in a network that says nothing
    recording = je.record(je.capture.sown(model), variables, batches)  # what a Linen module sows
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxentropy.capture.linen import COLLECTION, Sown, sown

__all__ = ["COLLECTION", "Sown", "sown"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # it imports flax
        from jaxentropy.capture import linen

        return getattr(linen, name)
    raise AttributeError(f"module 'jaxentropy.capture' has no attribute '{name}'")
