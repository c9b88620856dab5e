"""scikit-learn's 1,797 handwritten digits of 8×8 pixels as ``digits.npz``, for ``--dataset npz:digits.npz``."""

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
np.savez("digits.npz", images=digits.images.astype(np.float32), labels=digits.target)
