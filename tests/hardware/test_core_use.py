"""What other programs take of the cores is told from what this one's children do."""

import os
import subprocess
import sys
import time

import pytest

from srwizard.hardware.core_use import CoreTimes, core_times, taken_by_others


def test_others_are_all_but_the_children() -> None:
    begun = CoreTimes(every=1000.0, idle=400.0, children=10.0)
    assert taken_by_others(begun, CoreTimes(1100.0, 405.0, 45.0)) == pytest.approx(0.6)
    assert taken_by_others(begun, CoreTimes(1100.0, 400.0, 110.0)) == 0.0


def test_idle_cores_are_nobody_s() -> None:
    begun = CoreTimes(every=1000.0, idle=400.0, children=10.0)
    assert taken_by_others(begun, CoreTimes(1100.0, 415.0, 20.0)) == 0.0
    assert taken_by_others(begun, begun) == 0.0


def test_a_busy_machine_is_told() -> None:
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _core in range(os.cpu_count() or 1)
    ]
    try:
        begun = core_times()
        time.sleep(1.0)
        share = taken_by_others(begun, core_times())
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert share > 0.5
