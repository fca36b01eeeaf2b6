"""The command line: its help, its mistakes, and the language that both speak."""

import importlib.util
import re
from pathlib import Path

import pytest

from srwizard.commands.click_texts import PLURALS, TEXTS
from tests.e2e.conftest import Run

MISTAKES = [
    ["--nothing"],
    ["nothing"],
    ["modles"],
    ["train"],
    ["train", "a", "b"],
    ["prepare", "a.nc"],
    ["prepare", "a.nc", "--variable", "v", "--scale", "two", "-o", "out"],
    ["prepare", "a.nc", "--variable", "v", "--format", "grib", "-o", "out"],
    ["--answers"],
    ["--stop-after", "lunch"],
    ["models", "--json=3"],
    ["models", "--jsn"],
    ["--lang", "fr"],
]
IN_ANY_LANGUAGE = r"'[^']*'|--?[\w-]+|\b[A-Z_|]+\b|\b(srwizard|fr|en|zh|a|b)\b"
"""What a message may hold besides Chinese: commands, options, and what the user has typed."""


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_named_and_the_help_pointed_to(srwizard: Run, arguments: list[str]) -> None:
    refused = srwizard(*arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith("error: ")
    assert len(refused.stderr.splitlines()) == 2


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_named_in_chinese(
    srwizard: Run, environment: dict[str, str], arguments: list[str]
) -> None:
    environment["LANG"] = "zh_CN.UTF-8"
    refused = srwizard(*arguments)
    rest = re.sub(IN_ANY_LANGUAGE, "", refused.stderr.replace(arguments[0], ""))
    assert re.search("[\u4e00-\u9fff]", rest)
    assert not re.search("[a-z]{2,}", rest), refused.stderr


@pytest.mark.parametrize("command", ["", "prepare", "train", "answers"])
def test_help_in_chinese(srwizard: Run, command: str) -> None:
    shown = srwizard("--lang", "zh", *command.split(), "--help").stdout
    assert shown.startswith("用法： srwizard")
    assert "显示本帮助。" in shown
    assert not re.search(r"Usage|Options|Commands|Show|default|required", shown)


def test_the_commands_stand_in_the_order_of_the_work(srwizard: Run) -> None:
    listed = re.findall(r"^  ([a-z]+) ", srwizard("--help").stdout, re.MULTILINE)
    assert listed.index("prepare") < listed.index("models") < listed.index("train")


@pytest.mark.parametrize("place", [0, 1])
def test_the_language_can_stand_anywhere_and_is_kept_in_what_is_advised(
    srwizard: Run, place: int
) -> None:
    arguments = ["answers"]
    arguments.insert(place, "--lang=zh")
    refused = srwizard(*arguments)
    assert refused.returncode == 2
    assert "srwizard --lang zh answers --template" in refused.stderr


def test_a_language_of_the_locale_needs_no_mention(
    srwizard: Run, environment: dict[str, str]
) -> None:
    environment["LANG"] = "zh_CN.UTF-8"
    refused = srwizard("answers")
    assert "：srwizard answers --template" in refused.stderr


def test_what_is_marked_for_click_is_what_click_says() -> None:
    found = importlib.util.find_spec("click")
    assert found is not None and found.origin is not None
    sources = "".join(
        path.read_text(encoding="utf-8") for path in Path(found.origin).parent.glob("*.py")
    )
    for text in (*TEXTS, *(form for forms in PLURALS for form in forms)):
        assert f'"{text}"' in sources, text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("training:\n  epochs: 3\n lr: 1\n", "缩进与上面各行不一致"),
        ("training: epochs: 3\n", "此处不能有冒号"),
        ("data: {root: 'x\n", "引号或括号没有闭合"),
        ("training:\n\tepochs: 3\n", "制表符"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_chinese(
    srwizard: Run, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    refused = srwizard("--lang", "zh", "--answers", path)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_the_reasons_of_the_system_are_said_in_chinese(srwizard: Run, tmp_path: Path) -> None:
    assert "没有这个文件或目录" in srwizard("--lang", "zh", "--answers", "nowhere.yaml").stderr
    assert "这是一个目录" in srwizard("--lang", "zh", "--answers", tmp_path).stderr


def test_a_terminal_without_chinese_characters_is_no_reason_to_fail(
    srwizard: Run, environment: dict[str, str]
) -> None:
    environment["PYTHONIOENCODING"] = "ascii"
    for arguments, code in ((["models"], 0), (["nothing"], 2), (["--help"], 0)):
        shown = srwizard("--lang", "zh", *arguments)
        assert shown.returncode == code
        assert "Traceback" not in shown.stderr
