"""Figures as people read them."""

import re

from srwizard.base.i18n import translate as _

SECONDS = {"min": 60, "分钟": 60, "h": 3600, "小时": 3600, "d": 86400, "天": 86400}
DURATION = re.compile(rf"([0-9]+(?:\.[0-9]+)?)\s*({'|'.join(SECONDS)})")


def bytes_text(count: float) -> str:
    """Return a size in KB, MB or GB (binary multiples, as GPU tools write them)."""
    if 0 < abs(count) < 2**20:
        return f"{count / 2**10:.0f} KB"
    mebibytes = count / 2**20
    return f"{mebibytes:.0f} MB" if abs(mebibytes) < 1024 else f"{mebibytes / 1024:.1f} GB"


def megabytes_text(count: float) -> str:
    """Return a size in MB throughout, for figures that are compared."""
    return f"{count / 2**20:.0f} MB"


def is_gpu(device: str) -> bool:
    """Return whether a device, as dry_run.json names it ("GPU 0: ...", "cpu x 1"), is a GPU."""
    return "GPU" in device


def seconds_in(text: str) -> float | None:
    """Return the seconds in a duration such as 90 min, 8 h or 2 d; None where it is not one."""
    found = DURATION.fullmatch(text.strip())
    return float(found[1]) * SECONDS[found[2]] if found else None


def memory_name(device: str) -> str:
    """Return what the memory of a device, as dry_run.json names it, is called."""
    return _("GPU memory") if is_gpu(device) else _("system memory")


def duration_text(seconds: float) -> str:
    """Return a duration as 45 s, 3 min 20 s or 2 h 05 min."""
    if seconds < 60:
        figure = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"
        return _("{seconds} s", seconds=figure)
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("{minutes} min {seconds:02d} s", minutes=minutes, seconds=rest)
    hours, minutes = divmod(minutes, 60)
    return _("{hours} h {minutes:02d} min", hours=hours, minutes=minutes)
