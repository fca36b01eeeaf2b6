"""The documentation: a site without warnings, pages that say what the program does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from srwizard.base import i18n
from srwizard.runs.failure_kinds import CATALOGUE, UNKNOWN
from srwizard.settings import reference

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent


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


def test_every_kind_of_failure_is_listed_as_the_catalogue_has_it() -> None:
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert listed == [(kind.name, kind.title) for kind in (*CATALOGUE, UNKNOWN)]


def blocks_of(page: str) -> list[str]:
    """Return what a page tells its readers to type."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_both_tutorials_type_the_same() -> None:
    chinese = [block.replace(" --lang zh", "") for block in blocks_of("zh/tutorial.md")]
    assert chinese == blocks_of("tutorial.md")


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    """Each block is typed as it stands there; only pip finds installed what it is to install."""
    blocks = blocks_of("zh/tutorial.md")
    assert len(blocks) > 6
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PIP_NO_INDEX": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs" / "sst" / "report.html").is_file()
    assert (tmp_path / "super_resolved.nc").is_file()
