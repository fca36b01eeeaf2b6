"""How much of this machine's cores other processes use meanwhile. Imports no torch."""

import os
from dataclasses import dataclass

import psutil

MOST_IDLE = 0.1
"""Share of the processor time that is left over on a machine whose cores are all wanted."""


@dataclass(frozen=True)
class CoreTimes:
    """Seconds of processor time since the machine was started: all, idle, of ended children."""

    every: float
    idle: float
    children: float


def core_times() -> CoreTimes:
    """Return what has been counted up to now."""
    counted, own = psutil.cpu_times(), os.times()
    idle = counted.idle + getattr(counted, "iowait", 0.0)
    return CoreTimes(sum(counted), idle, own.children_user + own.children_system)


def taken_by_others(begun: CoreTimes, ended: CoreTimes) -> float:
    """Return which share of all cores others used while this process waited for its children.

    0 where cores were left over: nobody had to wait for one then.
    """
    every = ended.every - begun.every
    idle = ended.idle - begun.idle
    if every <= 0 or idle > MOST_IDLE * every:
        return 0.0
    return max(every - idle - (ended.children - begun.children), 0.0) / every
