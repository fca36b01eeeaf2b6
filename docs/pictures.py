"""The pictures of the README, from the real program: `python docs/pictures.py` after `make demo`.

The terminal is a pseudo-terminal of 90 x 40 in which the wizard runs on the demo dataset; the
maps are those of the demo run, in both languages, and the report is shown in headless Chromium, if
there is one.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.segment import Segment
from rich.style import Style

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT))

from tests.e2e.terminal import DOWN, ENTER, PROGRAM, Terminal  # noqa: E402

NAMES = {"brown": "yellow", "brightblack": "bright_black"}


def walk(screen: Terminal) -> None:
    """Answer as a newcomer would, up to the dry run's verdict."""
    for prompt, keys in (
        ("Dataset directory", "demo/data"),
        ("Run directory", ""),
        ("Model", DOWN),
        ("Parameters of", ""),
        ("Epochs", "\x1560"),
        ("The other training parameters", ""),
        ("Where to train", ""),
        ("Processes on the CPU", ""),
        ("Memory options", ""),
        ("Go ahead?", ""),
    ):
        screen.wait_for(f"? {prompt}")
        screen.send(keys + ENTER)
    screen.wait_for("an epoch")
    screen.wait_for("Training in")


def draw(screen: Terminal, path: Path, title: str) -> None:
    """Write what stands on the screen as SVG, with its colours."""
    columns = screen.screen.columns
    lines = [*screen.screen.history.top, *(screen.screen.buffer[y] for y in range(screen.rows))]
    console = Console(record=True, width=columns, file=io.StringIO())
    shown = [[line[column] for column in range(columns)] for line in lines]
    while shown and not "".join(cell.data for cell in shown[-1]).strip():
        shown.pop()
    for cells in shown:
        segments = [
            Segment(
                cell.data,
                Style(
                    color=None if cell.fg == "default" else NAMES.get(cell.fg, colour(cell.fg)),
                    bold=cell.bold,
                ),
            )
            for cell in cells
        ]
        console.print(*[_text(segment) for segment in segments], sep="", end="\n")
    path.write_text(console.export_svg(title=title), encoding="utf-8")


def colour(name: str) -> str:
    """Return a colour of pyte as rich writes it."""
    return f"#{name}" if len(name) == 6 and all(c in "0123456789abcdef" for c in name) else name


def _text(segment: Segment) -> object:
    from rich.text import Text

    return Text(segment.text, style=segment.style or "")


def main() -> None:
    """Make the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "demo").symlink_to(ROOT / "demo")
        screen = Terminal(
            [],
            cwd=Path(scratch),
            environment={**os.environ, "XDG_STATE_HOME": scratch, "LANG": "C.UTF-8",
                         "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            rows=40, columns=90,
        )  # fmt: skip
        walk(screen)
        draw(screen, IMAGES / "terminal.svg", "srwizard")
        screen.kill()
    for language, name in (("zh", "result.zh.png"), ("en", "result.png")):
        subprocess.run(
            [PROGRAM, "--lang", language, "report", ROOT / "demo" / "run"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        shutil.copyfile(ROOT / "demo/run/plots/map_01_01_temp.png", IMAGES / name)
    browser = shutil.which("chromium")
    if browser is not None:
        with tempfile.TemporaryDirectory() as profile:
            subprocess.run(
                [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-background-networking", f"--user-data-dir={profile}",
                 "--hide-scrollbars", "--window-size=1000,1500",
                 f"--screenshot={IMAGES / 'report.png'}",
                 (ROOT / "demo" / "run" / "report.html").as_uri()],
                check=True, stderr=subprocess.DEVNULL,
            )  # fmt: skip


if __name__ == "__main__":
    main()
