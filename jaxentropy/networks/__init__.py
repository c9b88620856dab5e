"""Networks that sow their fully connected (FC) layers, and their training."""
