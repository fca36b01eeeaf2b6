"""Every kind of screen: small, narrow, without colour."""

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_C, ENTER
from tests.e2e.walk import Walk

pytestmark = pytest.mark.broad


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (24, 40), (12, 60)])
def test_every_question_can_be_read_and_answered(
    terminal: Open, dataset: Path, tmp_path: Path, rows: int, columns: int
) -> None:
    # A short path: what is typed must not be torn over lines for the test to find it.
    (Path(tmp_path) / "d").symlink_to(dataset)
    screen = terminal(rows=rows, columns=columns)
    walk = Walk(screen, root=Path("d"))
    walk.to("review")
    visible = screen.visible
    assert "Go ahead?" in visible
    screen.send(ENTER)
    screen.wait_for("Frozen:")
    screen.send(CTRL_C)
    screen.kill()


def test_without_colour(terminal: Open, environment: dict[str, str], dataset: Path) -> None:
    environment["NO_COLOR"] = "1"
    screen = terminal()
    Walk(screen, root=dataset).to("review")
    coloured = {
        cell.fg
        for line in (*screen.screen.history.top, *screen.screen.buffer.values())
        for cell in line.values()
        if cell.data.strip()
    }
    assert coloured == {"default"}
    screen.kill()


@pytest.mark.parametrize("command", ["models", "gpus", "inspect", "answers"])
def test_what_is_piped_has_no_escape_sequences(srwizard: Run, dataset: Path, command: str) -> None:
    arguments = {"inspect": [dataset], "answers": ["--template"]}.get(command, [])
    shown = srwizard(command, *arguments)
    assert shown.returncode == 0
    assert not re.search("\x1b", shown.stdout)


def test_a_resumed_session_without_its_first_answer_asks_for_it(
    terminal: Open, srwizard: Run, tmp_path: Path
) -> None:
    path = tmp_path / "odd.json"
    path.write_text(
        '{"schema_version": 1, "id": "odd", "created": "x", "state": "review", "answers": {},'
        ' "history": [], "editing": false, "digests": [], "fingerprint": null}'
    )
    screen = terminal("resume", path)
    screen.wait_for("data.root is not answered")
    screen.wait_for("? Dataset directory")
    screen.kill()
