"""The catalogue: in step with the sources, complete, and used where Chinese is asked for."""

import ast
import os
import string
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from srwizard.base import i18n
from srwizard.base.i18n import translate, translate_count
from srwizard.hardware.devices import GPU
from srwizard.states.devices import gpu_text

ROOT = Path(__file__).parents[2]
SOURCES = ("srwizard", "states", "models")
KEYWORDS = {"_": None, "translate": None, "N_": None, "NN_": (1, 2), "_n": (1, 2)}
"""Those with two numbers take a singular and a plural; `_n` chooses between them by a count."""
ARGUMENTS = {"NN_": 2, "_n": 3}
MESSAGES = i18n.LOCALE_DIR / "zh_CN" / "LC_MESSAGES"
ADVICE = "run `make locale`, then translate what is new in srwizard.po and run it again"


def read(path: Path) -> Catalog:
    with path.open("rb") as stream:
        return read_mo(stream) if path.suffix == ".mo" else read_po(stream)


def test_a_count_chooses_the_form(chinese: Catalog) -> None:
    def said(count: float) -> str:
        return translate_count("{count} core", "{count} cores", count, count=count)

    try:
        assert [said(n) for n in (0, 1, 2, -1, 1.5)] == [
            "0 cores", "1 core", "2 cores", "-1 core", "1.5 cores",
        ]  # fmt: skip
        i18n.set_language("zh")
        assert [said(n) for n in (1, 2)] == ["1 核", "2 核"]
    finally:
        i18n.set_language("en")


def test_both_forms_of_a_message_are_known_for_retelling(chinese: Catalog) -> None:
    known = i18n.messages_of("zh")
    for message, text in texts(chinese).items():
        for form in (message,) if isinstance(message, str) else message:
            assert known[form] == text


def texts(catalogue: Catalog) -> dict[str | tuple[str, ...], str]:
    """Return the translations by message; by (singular, plural) where there is a plural."""
    return {
        _only(message.id): _only(message.string)  # Chinese has one form for both
        for message in catalogue
        if message.id
    }


def _only(text: str | Sequence[str]) -> Any:
    if isinstance(text, str):
        return text
    return text[0] if len(text) == 1 else tuple(text)


def placeholders(text: str) -> list[tuple[str, str]]:
    """Return the names in braces with how they are formatted, in the order of the alphabet."""
    return sorted(
        (name, f"{'!' + conversion if conversion else ''}:{form}")
        for _text, name, form, conversion in string.Formatter().parse(text)
        if name is not None
    )


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that marks or translates a message, with its place."""
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", None) in KEYWORDS:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


@pytest.fixture(scope="module")
def extracted() -> set[str]:
    return {
        message
        for source in SOURCES
        for _file, _line, message, _comments, _context in extract_from_dir(
            ROOT / source, keywords=KEYWORDS
        )
    }


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    return read(MESSAGES / "srwizard.po")


@pytest.mark.parametrize("path", [i18n.LOCALE_DIR / "srwizard.pot", MESSAGES / "srwizard.po"])
def test_the_catalogues_hold_the_messages_of_the_sources(path: Path, extracted: set[str]) -> None:
    present = set(texts(read(path)))
    assert not extracted - present, f"missing in {path.name}: {ADVICE}"
    assert not present - extracted, f"no longer in the sources: {ADVICE}"


@pytest.mark.broad
def test_no_message_is_where_extraction_does_not_look(extracted: set[str]) -> None:
    """Inside an f-string, say."""
    literals = {
        call.args[0].value
        for _place, call in calls()
        if isinstance(call.args[0], ast.Constant) and call.func.id not in ARGUMENTS
    }
    assert not literals - extracted


def test_every_message_is_translated(chinese: Catalog) -> None:
    unfinished = [m.id for m in chinese if m.id and (m.fuzzy or not m.string)]
    assert not unfinished, ADVICE


def test_both_languages_have_the_same_placeholders(chinese: Catalog) -> None:
    differing = [
        (message, text)
        for message, text in texts(chinese).items()
        if placeholders(message if isinstance(message, str) else message[1]) != placeholders(text)
    ]
    assert not differing


def test_the_compiled_catalogue_holds_what_the_written_one_does(chinese: Catalog) -> None:
    assert texts(read(MESSAGES / "srwizard.mo")) == texts(chinese), "run `make locale`"


@pytest.mark.broad
def test_messages_are_literals() -> None:
    """An f-string or a sum cannot be looked up; a name stands for what N_ has marked."""
    wrong = [
        place
        for place, call in calls()
        if len(call.args) != ARGUMENTS.get(call.func.id, 1)
        or not isinstance(call.args[0], ast.Constant | ast.Name | ast.Attribute)
    ]
    assert not wrong


@pytest.mark.broad
def test_every_placeholder_is_given_a_value() -> None:
    wrong = []
    for place, call in calls():
        names = [keyword.arg for keyword in call.keywords]
        message = call.args[1 if call.func.id == "_n" else 0]
        if isinstance(message, ast.Constant) and None not in names and call.func.id[-2:] != "N_":
            wanted = {name for name, _form in placeholders(message.value)}
            if wanted != set(names):
                wrong.append(place)
    assert not wrong


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Please confirm the training parameters", "【训练参数确认】"),
        ("Go ahead?", "确认执行？"),
        ("{model} (recommended)", "{model}（推荐）"),
        ("standard models", "标准模型"),
        ("diffusion models", "扩散模型"),
        ("fits", "充足"),
        ("tight", "紧张"),
        ("does not fit", "放不下"),
    ],
)
def test_settled_wording(message: str, text: str) -> None:
    i18n.set_language("zh")
    assert translate(message) == text


def test_a_gpu_in_chinese() -> None:
    i18n.set_language("zh")
    card = GPU(0, "GPU-1", "NVIDIA H100", total_bytes=80 * 2**30, free_bytes=79 * 2**30)
    assert gpu_text(card) == "GPU 0: H100 (80.0GB, 空闲 79.0GB)"
    shown = translate("{count} GPUs ({names}), DDP", count=2, names="GPU 0, GPU 1")
    assert shown == "2 张 (GPU 0, GPU 1)，DDP 模式"


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "srwizard", *arguments],
        env={"PATH": os.environ["PATH"], "COLUMNS": "120", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def test_commands_in_chinese() -> None:
    models = run("--lang", "zh", "models", LANG="C")
    assert models.returncode == 0
    assert "标准模型" in models.stdout and "SwinIR（推荐）" in models.stdout
    help_text = run("--lang", "zh", "--help", LANG="C")
    assert help_text.returncode == 0
    assert "列出模型，或导入已发布的权重。" in help_text.stdout


def test_errors_in_chinese() -> None:
    failed = run("--lang=zh", "--set", "training.epochs=2", LANG="C")
    assert failed.returncode == 2
    assert failed.stderr.startswith("错误：--set 须与 --answers 一起使用\n例如：")


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "标准模型"),
        ({"LANG": "C"}, "standard models"),
        ({}, "standard models"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "standard models"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "标准模型"),
    ],
)
def test_the_environment_chooses_the_language(environment: dict[str, str], word: str) -> None:
    assert word in run("models", **environment).stdout
