"""What a page of the documentation tells its readers to do, in order."""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^\*\*`([^`]+)`\*\*", re.MULTILINE)


def steps(page: str) -> list[tuple[str, str, str]]:
    """Return the steps of a page: (language, name of a file or "", content or command)."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = []
    end = 0
    for block in BLOCK.finditer(text):
        names = NAMED.findall(text, end, block.start())
        end = block.end()
        if block[1] == "sh":
            found += [("sh", "", line) for line in block[2].splitlines()]
        else:
            assert len(names) == 1, block[0]
            found.append((block[1], names[0], block[2]))
    return found


def follow(root: Path, language: str, name: str, content: str) -> None:
    """Write a file as a page gives it, or make the change that a diff shows."""
    path = root / name
    if language != "diff":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return
    lines = content.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{name} no longer holds what the page changes:\n{before}"
    path.write_text(text.replace(before, after), encoding="utf-8")
