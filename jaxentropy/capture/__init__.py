"""Networks as apply functions that give each layer's activations by name; the only reader of Flax's ``sow``.

::

    recording = je.record(je.capture.sown(model), variables, batches)
"""

from jaxentropy.capture.linen import COLLECTION, Sown, sown

__all__ = ["COLLECTION", "Sown", "sown"]
