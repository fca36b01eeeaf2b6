"""Without a terminal only what takes long is worth a line."""

import io

import pytest
from rich.console import Console

from srwizard.prompts import progress
from srwizard.prompts.question import AnswersFilePrompts
from srwizard.settings import yaml_file


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, "Checking …\n"), (60.0, "")])
def test_a_line_is_written_once_where_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: str
) -> None:
    monkeypatch.setattr(progress, "LONG", seconds)
    log = io.StringIO()
    prompts = AnswersFilePrompts(yaml_file.parse(b"", ""), Console(file=log))
    with prompts.progress("Checking …") as tell:
        for done in range(3):
            tell(done, 3)
    assert log.getvalue() == expected
