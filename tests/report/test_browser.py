"""The page in a real browser: wide and narrow, with and without scripts, on its own."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from made_up_run import sample_arrays
from matplotlib.image import imread

from srwizard.base import i18n
from srwizard.report.page import write_report

CHROMIUM = shutil.which("chromium")
PHONE, DESKTOP = 500, 1200
"""Chromium makes no window narrower than 500; a frame of 360 stands for a phone."""
NARROW = 360
URL = re.compile(r'"url":"((?:https?|wss?|ftp):[^"]+)"')
MAKERS = (".google.com", ".googleapis.com", ".gvt1.com")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not there: apt-get install chromium"),
    pytest.mark.slow,
]  # fmt: skip

BuildRun = Callable[..., Path]

# A page of its own that holds the report in a frame as wide as a phone, and writes down what it
# finds there: its width, its pictures, and what it has fetched.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="report.html" style="border:0;width:{width}px;height:3000px"></iframe>
<pre id="found"></pre>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const page = event.target.contentDocument;
  const fetched = event.target.contentWindow.performance.getEntriesByType("resource");
  document.getElementById("found").textContent = JSON.stringify({{
    overflow: page.documentElement.scrollWidth - {width},
    pictures: [...page.images].map((image) => image.complete && image.naturalWidth > 0),
    fetched: fetched.map((entry) => entry.name).filter((name) => !name.startsWith("data:")),
  }});
}});
</script>"""

NO_SCRIPTS = """<meta http-equiv="Content-Security-Policy" content="script-src 'none'">"""


def chromium(profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the browser once, with an empty profile."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}", *arguments,
        ],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def report(build_run: BuildRun) -> Path:
    samples = sample_arrays() | {
        "lon": np.linspace(170.0, 190, 32),
        "lat": np.linspace(30.0, 50, 32),
    }
    return write_report(build_run(samples=samples))


@pytest.mark.parametrize("width", [NARROW, DESKTOP])
def test_nothing_is_wider_than_the_page_and_all_pictures_are_there(
    report: Path, tmp_path: Path, width: int
) -> None:
    probe = report.with_name("probe.html")
    probe.write_text(PROBE.format(width=width))
    done = chromium(
        tmp_path / "profile", "--allow-file-access-from-files", "--virtual-time-budget=20000",
        f"--window-size={max(width, PHONE)},3000", "--dump-dom", probe.as_uri(),
    )  # fmt: skip
    match = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert match is not None, done.stdout[-500:]
    found = json.loads(match[1])
    assert found["overflow"] <= 0
    assert len(found["pictures"]) >= 7
    assert all(found["pictures"])
    assert found["fetched"] == []


@pytest.mark.parametrize(("width", "scripts"), [(PHONE, True), (DESKTOP, False)])
def test_the_page_is_drawn(report: Path, tmp_path: Path, width: int, scripts: bool) -> None:
    shot, log, page = tmp_path / "shot.png", tmp_path / "net.json", report
    if not scripts:
        text = report.read_text(encoding="utf-8")
        assert text.count("<head>") == 1
        page = report.with_name("without.html")
        page.write_text(text.replace("<head>", f"<head>{NO_SCRIPTS}"), encoding="utf-8")
    chromium(
        tmp_path / "profile", f"--window-size={width},2400", f"--screenshot={shot}",
        f"--log-net-log={log}", "--virtual-time-budget=20000", page.as_uri(),
    )  # fmt: skip
    pixels = np.asarray(imread(shot))[..., :3]
    assert pixels.shape[:2] == (2400, width)
    # Text from the top, and the figures with their many colours below it.
    for part in np.array_split(pixels, 4):
        assert 0.005 < (part.min(axis=2) < 0.9).mean() < 0.9
    assert len(np.unique((pixels * 15).astype(np.uint8).reshape(-1, 3), axis=0)) > 40
    # The browser itself looks for its maker's hosts; the page asks for none.
    hosts = {urlsplit(url).hostname or "" for url in URL.findall(log.read_text("utf-8", "replace"))}
    assert {host for host in hosts if not host.endswith(MAKERS)} == set()


def test_the_page_in_chinese_prints(build_run: BuildRun, tmp_path: Path) -> None:
    i18n.set_language("zh")
    page = write_report(build_run(samples=sample_arrays()))
    printed = tmp_path / "report.pdf"
    chromium(tmp_path / "profile", f"--print-to-pdf={printed}", page.as_uri())
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 3
