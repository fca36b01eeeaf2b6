"""What can be read of a run directory, without torch."""
