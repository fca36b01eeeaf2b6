"""What a process of a training takes before it computes anything."""


def measured_baseline() -> int:
    """Return the resident set of this process with what a training process imports, and no more."""
    import psutil

    import srwizard.memory.rehearsal  # noqa: F401

    return int(psutil.Process().memory_info().rss)
