"""Compare design spaces of convolutional networks by the error distributions of sampled populations."""

__version__ = "0.1.0"
