"""Dataset directories: layouts, inspection, normalization, samples, preparation."""
