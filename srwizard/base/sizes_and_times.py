"""Figures as people read them."""


def bytes_text(count: float) -> str:
    """Return a size in MB or GB (binary multiples, as GPU tools write them)."""
    mebibytes = count / 2**20
    return f"{mebibytes:.0f} MB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GB"


def megabytes_text(count: float) -> str:
    """Return a size in MB throughout, for figures that are compared."""
    return f"{count / 2**20:.0f} MB"


def duration_text(seconds: float) -> str:
    """Return a duration as 45 s, 3 min 20 s or 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
