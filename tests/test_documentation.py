"""The documentation: a site without warnings, pages that say what the program does."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from srwizard.base import i18n
from srwizard.data.baselines.choice import METHODS
from srwizard.runs.failure_kinds import CATALOGUE, UNKNOWN
from srwizard.settings import reference, run_config

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
EPOCHS = 6
"""Of the tutorial's training, where it is tried here; a reader has 19."""


@pytest.mark.broad
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [BIN / "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING  -" not in built.stderr
    assert (tmp_path / "site" / "zh" / "index.html").is_file()


@pytest.mark.parametrize(("language", "page"), [("en", "answers.md"), ("zh", "zh/answers.md")])
def test_the_reference_is_made_from_the_schema(language: str, page: str) -> None:
    i18n.set_language(language)
    try:
        assert (DOCS / page).read_text(encoding="utf-8") == reference.page(), "run: make docs"
    finally:
        i18n.set_language("en")


@pytest.mark.parametrize(("language", "folder"), [("en", ""), ("zh", "zh")])
def test_every_kind_of_failure_is_listed_as_the_catalogue_has_it(
    language: str, folder: str
) -> None:
    text = (DOCS / folder / "exit-codes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    i18n.set_language(language)
    try:
        kinds = [(kind.name, i18n.translate(kind.title)) for kind in (*CATALOGUE, UNKNOWN)]
    finally:
        i18n.set_language("en")
    assert listed == kinds


def blocks_of(page: str) -> list[str]:
    """Return what a page tells its readers to type."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_both_tutorials_type_the_same() -> None:
    chinese = [block.replace(" --lang zh", "") for block in blocks_of("zh/tutorial.md")]
    assert chinese == blocks_of("tutorial.md")


TWINS = sorted(path.name for path in (DOCS / "zh").glob("*.md") if path.name != "index.md")
every_twin = pytest.mark.parametrize("page", TWINS)
OPTIONS = re.compile(r"(?<![\w-])--[a-z][a-z-]+|`[a-z][a-z_]*(?:\.[a-z_]+)*`")
"""Options of commands, and keys."""


def in_both(page: str) -> tuple[str, str]:
    return tuple((DOCS / folder / page).read_text(encoding="utf-8") for folder in ("", "zh"))


def blocks_in(text: str) -> list[tuple[str, list[str]]]:
    """Return the blocks of a page, without comments, its language, and sentences in them."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        (
            kind,
            [
                re.split(r"\s#| {2,}", line.replace(" --lang zh", ""))[0]
                for line in code.split("\n")
            ],
        )
        for kind, code in found
    ]


@every_twin
def test_a_page_in_chinese_is_the_whole_page(page: str) -> None:
    english, chinese = in_both(page)
    for pattern in (r"^#+ ", r"^\| --- ", r"^\|", r"^- ", r"^\d\. "):
        counts = [len(re.findall(pattern, text, re.MULTILINE)) for text in (english, chinese)]
        assert counts[0] == counts[1], pattern
    assert blocks_in(chinese) == blocks_in(english)


@every_twin
def test_a_page_in_chinese_names_the_same_options(page: str) -> None:
    english, chinese = (set(OPTIONS.findall(text)) for text in in_both(page))
    assert chinese - {"--lang"} == english - {"--lang"}


@pytest.mark.parametrize("page", [path.name for path in (DOCS / "zh").glob("*.md")])
def test_a_link_to_an_english_page_says_so(page: str) -> None:
    text = (DOCS / "zh" / page).read_text(encoding="utf-8")
    for target, after in re.findall(r"\]\(([^)]+)\)(.{0,4})", text):
        assert after.startswith("（英文）") == target.startswith("../"), target
        if target.startswith("../"):
            assert not (DOCS / "zh" / target[3:].partition("#")[0]).is_file(), target


@pytest.mark.parametrize("page", [path.name for path in (DOCS / "zh").glob("*.md")])
def test_chinese_has_its_own_punctuation(page: str) -> None:
    text = re.sub(r"^```.*?^```|`[^`]*`", "", (DOCS / "zh" / page).read_text(encoding="utf-8"),
                  flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    text = text.replace("时:分:秒", "")  # as Slurm writes a time
    assert re.findall(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", text) == []


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each block was typed as it stands there, but for a third of the epochs.

    Only pip finds installed what it installs.
    """
    recommended = "training: {recipe: recommended"
    blocks = [
        block.replace(recommended, f"{recommended}, epochs: {EPOCHS}")
        for block in blocks_of("zh/tutorial.md")
    ]
    assert len(blocks) > 6
    home = tmp_path_factory.mktemp("tutorial")
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PIP_NO_INDEX": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tutorial: Path) -> None:
    assert (tutorial / "runs" / "sst" / "report.html").is_file()
    assert (tutorial / "super_resolved.nc").is_file()


@pytest.mark.slow
def test_the_demo_is_the_run_of_the_tutorial(tutorial: Path, tmp_path: Path) -> None:
    """All of `make demo` but the training, which would take as long once more."""
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo", f"DEMO={tmp_path / 'demo'}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"srwizard --answers \S+/demo\.yaml$", planned)
    frozen = f"{planned.rstrip()} --stop-after frozen --set training.epochs={EPOCHS}"
    subprocess.run(["bash", "-euc", frozen],
                   cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    demo, followed = map(run_config.load, (tmp_path / "demo/run", tutorial / "runs/sst"))
    for part in ("model", "training", "memory", "devices"):
        assert getattr(demo, part) == getattr(followed, part)
    assert demo.data == followed.data.model_copy(update={"root": demo.data.root})


@pytest.mark.slow
def test_the_demo_beats_the_best_simple_method(tutorial: Path) -> None:
    events = (tutorial / "runs/sst/metrics.jsonl").read_text().splitlines()
    scores = next(
        event["variables"]["temp"] for event in map(json.loads, events) if event["event"] == "test"
    )
    best = min(scores[name]["rmse"] for name in METHODS)
    assert scores["model"]["rmse"] < 0.95 * best
