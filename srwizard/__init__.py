"""srwizard: from a directory of ocean field pairs to a trained super-resolution model."""

__version__ = "0.1.0"
