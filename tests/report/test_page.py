"""The page holds what the run directory says, and needs nothing else."""

import base64
import gettext
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_up_run import (
    CONFIG,
    EVENTS,
    TEST_EVENT,
    breakdown_arrays,
    epoch_event,
    sample_arrays,
    scores,
)

from srwizard.base import i18n
from srwizard.base.errors import UsageError
from srwizard.report.breakdown import month_figure
from srwizard.report.page import write_report
from srwizard.report.proof import proof_tables
from srwizard.report.records import Breakdown, read_run
from srwizard.report.sections import left_out, scored
from tests.runs.curves import epochs_of

BuildRun = Callable[..., Path]

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """What a reader of the page gets: its words, tags, pictures and headings."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data.strip())
            if self._open[-1] == "h2":
                self.headings.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.broad
def test_page_shows_the_scores_of_the_last_test(build_run: BuildRun) -> None:
    page = Page(write_report(build_run()))
    assert "Super-resolution of temp, uo by a factor of 4" in page.text
    assert "RMSE 0.1234" in page.text
    assert "bicubic 0.2468" in page.text
    assert "50.0 % below bicubic · skill 0.500" in page.text
    assert "20.0 % above bicubic · skill -0.200" in page.text
    assert "Test split, checkpoint “best” of epoch 3." in page.text
    assert "9.876" not in page.text


def test_what_no_epoch_has_surpassed_and_what_has_no_value(build_run: BuildRun) -> None:
    nothing = {**scores(0.1, 0.2), "bicubic": {"rmse": None}, "model": {"rmse": None}}
    told = {"consistency": {name: {"rmse": 0.1} for name in ("model", "best", "bicubic")}}
    variables = {"temp": {**scores(0.1, 0.2), **told}, "uo": {**nothing, **told}}
    run = read_run(
        build_run(events=[*EVENTS[:-1], {**TEST_EVENT, "epoch": 0, "variables": variables}])
    )
    leading = scored(run.metrics)
    assert leading is not None
    assert leading.source.startswith("Test split, checkpoint “best”: the network before training")
    assert [table.title for table in proof_tables(run)] == ["temp"]
    assert left_out(run) == ["uo: there is no value in this split, and so there are no scores."]


def test_intervals_stand_beside_their_figures(build_run: BuildRun) -> None:
    """Of an ensemble the model alone has a spread; of a resolution the upper end may be open."""
    ends = [0.1, 0.2]
    of_methods: dict[str, Any] = {name: {"mae": ends, "crps": ends} for name in ("best", "bicubic")}
    of_methods["model"] = {"mae": [0.99961, 0.99982], "crps": ends, "spread": [0.3, 0.4]}
    interval = {"rmse": dict.fromkeys(("model", "best", "bicubic"), ends), "block": 2, "steps": 9,
                "skill": ends, "distinguishable": True, "scores": of_methods}  # fmt: skip
    cells = {name: {"cells": 5.0, "km": 1234.5} for name in ("model", "best", "bicubic")}
    open_end = {
        "steps": 9,
        "block": 2,
        "scores": {"model": {"cells": [4.0, None], "km": [1000.0, None]}},
    }
    told = {"interval": interval, "effective_resolution": {**cells, "interval": open_end}}
    event = {**TEST_EVENT, "variables": {"temp": {**scores(0.1, 0.2), **told}}}
    (table,) = proof_tables(read_run(build_run(events=[*EVENTS[:-1], event])))
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["95 % interval: spread"] == ("0.3 – 0.4", "–", "–")
    assert rows["95 % interval: CRPS"] == ("0.1 – 0.2",) * 3
    assert rows["95 % interval: MAE"][0] == "0.9996 – 0.9998"
    assert rows["Effective resolution: wavelength [km]"] == ("1234 (≥ 1000)", "1234", "1234")


@pytest.mark.broad
def test_a_network_that_does_nothing_is_as_good_as_the_simple_method(build_run: BuildRun) -> None:
    """Rounding makes no difference: neither a verdict nor a certainty follows from it."""
    ours = scores(0.2 * (1 - 1e-8), 0.2)
    ends = [0.2, 0.3]
    interval = {"rmse": dict.fromkeys(("model", "best", "bicubic"), ends), "block": 2, "steps": 9,
                "difference": [-3e-9, -1e-9], "skill": [5e-9, 2e-8],
                "distinguishable": True, "scores": None}  # fmt: skip
    variables = {"temp": {**ours, "skill": 1e-8, "interval": interval}}
    run = build_run(events=[*EVENTS[:-1], {**TEST_EVENT, "variables": variables}])
    page = Page(write_report(run))
    assert "as good as bicubic" in page.text
    assert "temp: the model is as good as the best simple method" in page.text
    assert "temp: the model is not better than the best simple method" in page.text
    assert "-0.000" not in page.text


@pytest.mark.broad
def test_what_evaluate_found_counts_until_the_run_has_its_own_test(build_run: BuildRun) -> None:
    run = build_run(events=[epoch_event(1), epoch_event(2)])
    digest = read_run(run).config["digest"]
    found = {**TEST_EVENT, "split": "test", "digest": digest}
    path = run / "evaluation.test.best.json"
    path.write_text(json.dumps(found | {"digest": "sha256:another run config"}))
    assert "the test split has not been evaluated yet" in Page(write_report(run)).text
    path.write_text(json.dumps(found))
    assert "Test split, checkpoint “best” of epoch 3." in Page(write_report(run)).text
    path.write_text('{"variables": 3}')
    assert "the test split has not been evaluated yet" in Page(write_report(run)).text


@pytest.mark.broad
def test_what_evaluate_found_of_a_checkpoint_that_is_gone_does_not_count(
    build_run: BuildRun,
) -> None:
    """The run went on since, and a later validation was better: best.pt is another one."""
    later = epoch_event(2)
    for each in later["valid"]["variables"].values():
        each["model"]["rmse"] /= 2
    run = build_run(events=[epoch_event(1), later])
    found = {**TEST_EVENT, "split": "test", "digest": read_run(run).config["digest"]}
    path = run / "evaluation.test.best.json"
    path.write_text(json.dumps(found | {"epoch": 1}))
    assert "the test split has not been evaluated yet" in Page(write_report(run)).text
    path.write_text(json.dumps(found | {"epoch": 2}))
    assert "Test split, checkpoint “best” of epoch 2." in Page(write_report(run)).text


@pytest.mark.broad
def test_the_start_is_surpassed_too_and_by_what_checkpoints_are_compared_by(
    build_run: BuildRun,
) -> None:
    start = epoch_event(1) | {"event": "start", "epoch": 0}
    start["valid"]["error"] = 0.5
    later = epoch_event(1)  # of the same scores; by the error it is better
    later["valid"]["error"] = 0.4
    run = build_run(events=[start, later])
    found = {**TEST_EVENT, "split": "test", "digest": read_run(run).config["digest"]}
    (run / "evaluation.test.best.json").write_text(json.dumps(found | {"epoch": 0}))
    assert "the test split has not been evaluated yet" in Page(write_report(run)).text


@pytest.mark.broad
def test_without_test_scores_there_are_no_pictures_of_the_test_split(build_run: BuildRun) -> None:
    """What lies in plots/ may be of weights that training has gone on from."""
    scored = [epoch_event(1), epoch_event(2), TEST_EVENT]
    for events, drawn in ((scored, True), (scored[:-1], False)):
        run = build_run(events=events, samples=sample_arrays())
        assert ("Maps of temp at" in write_report(run).read_text()) is drawn
        shutil.rmtree(run)


@pytest.mark.broad
def test_better_value_of_each_metric_is_bold(build_run: BuildRun) -> None:
    html = write_report(build_run()).read_text()
    assert "<b>0.1234</b>" in html
    assert "<b>0.2468</b>" not in html
    assert "<b>31.5</b>" in html
    assert "<b>0.05</b>" in html


@pytest.mark.broad
def test_page_leads_with_validation_until_there_is_a_test(build_run: BuildRun) -> None:
    page = Page(write_report(build_run(events=[epoch_event(1), epoch_event(2, valid=False)])))
    assert "Validation split at epoch 1: the test split has not been evaluated yet." in page.text


def test_page_without_any_scores(build_run: BuildRun) -> None:
    page = Page(write_report(build_run(events=[epoch_event(1, valid=False)])))
    assert "No scores yet" in page.text


@pytest.mark.broad
def test_page_shows_memory_configuration_and_command(build_run: BuildRun) -> None:
    run = build_run()
    page = Page(write_report(run))
    assert "Measured peak: 3.0 GB of 4.0 GB on cpu (75.0 %). Verdict: fits." in page.text
    assert "Process Peak 0 1.0 GB 1 2.0 GB" in page.text
    assert "channels 64" in page.text
    assert "Steps · Training split 100" in page.text
    assert f"srwizard answers --from {run} > answers.yaml" in page.text
    assert "--set output.dir=again --set confirm=true" in page.text


def test_page_needs_nothing_else(build_run: BuildRun) -> None:
    page = Page(write_report(build_run(samples=sample_arrays())))
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object"}
        assert "href" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
    images = page.all("img")
    assert len(images) == 8
    assert all(image["alt"] for image in images)
    source = images[0]["src"] or ""
    assert base64.b64decode(source.split(",")[1]).startswith(b"\x89PNG")


@pytest.mark.broad
def test_values_are_escaped(build_run: BuildRun) -> None:
    path = write_report(build_run())
    assert "<script>" not in path.read_text()
    assert CONFIG["data"]["root"] in Page(path).text


@pytest.mark.broad
def test_figures_are_saved_beside(build_run: BuildRun) -> None:
    run = build_run(samples=sample_arrays(variables=("temp", "a/b c")))
    write_report(run)
    assert sorted(path.name for path in (run / "plots").glob("*.png")) == [
        "data_01_temp.png",
        "data_02_a_b_c.png",
        "learning_rate.png",
        "loss.png",
        "map_01_01_temp.png",
        "map_01_02_a_b_c.png",
        "validation_01_temp.png",
        "validation_02_uo.png",
    ]


@pytest.mark.slow
def test_same_run_gives_the_same_page(build_run: BuildRun) -> None:
    run = build_run(samples=sample_arrays())
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


@pytest.mark.broad
def test_optional_files_may_be_missing(build_run: BuildRun) -> None:
    page = Page(write_report(build_run(dry_run=None, samples=None)))
    assert "dry_run.json is missing" in page.text
    assert "plots/samples.npz is missing" in page.text


@pytest.mark.broad
def test_sections_may_be_missing(build_run: BuildRun) -> None:
    page = Page(write_report(build_run(config={"note": None}, dry_run={"verdict": "tight"})))
    assert "Super-resolution of ocean fields" in page.text
    assert "Verdict: tight." in page.text


@pytest.mark.broad
def test_half_written_last_line_is_skipped_in_silence(build_run: BuildRun) -> None:
    run = build_run()
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"event":"epoch","epo')
    assert "could not be read" not in Page(write_report(run)).text


@pytest.mark.broad
def test_damaged_line_inside_is_counted(build_run: BuildRun) -> None:
    run = build_run()
    metrics = run / "metrics.jsonl"
    metrics.write_text('{"event":"epo\n[1]\n' + metrics.read_text())
    assert "could not be read: 2." in Page(write_report(run)).text


@pytest.mark.broad
def test_repeated_epoch_of_a_resumed_run_counts_once(build_run: BuildRun) -> None:
    events = [*EVENTS, epoch_event(3, train_loss=0.0321)]
    page = Page(write_report(build_run(events=events)))
    assert "Epochs 3 / 20" in page.text
    assert "Last training loss 0.0321" in page.text


@pytest.mark.broad
def test_losses_that_are_no_numbers_are_drawn_as_gaps(build_run: BuildRun) -> None:
    events = [epoch_event(1, train_loss=float("nan")), epoch_event(2, train_loss=float("inf"))]
    assert "Last training loss ∞" in Page(write_report(build_run(events=events))).text


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"config": None}, "run.yaml is missing"),
        ({"events": None}, "metrics.jsonl is missing"),
        ({"events": [{"event": "start"}]}, "holds no finished epoch"),
        ({"samples": {"names": ["a"]}}, "samples.npz cannot be used"),
        ({"samples": {**sample_arrays(), "units": ["K"]}}, "variables: 2, but units: 1"),
        ({"samples": sample_arrays((32, 30), 4)}, "not a multiple"),
    ],
)
def test_unusable_directory_is_explained(
    build_run: BuildRun, content: dict[str, object], part: str
) -> None:
    run = build_run(**content)
    with pytest.raises(UsageError) as caught:
        write_report(run)
    assert part in caught.value.message
    assert str(run) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("name", "text"), [("run.yaml", "a: ["), ("dry_run.json", "{")])
def test_damaged_file_is_named(build_run: BuildRun, name: str, text: str) -> None:
    run = build_run()
    (run / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        write_report(run)


@pytest.mark.broad
def test_errors_are_drawn_by_month_latitude_and_scale(build_run: BuildRun) -> None:
    run = build_run()
    np.savez(run / "plots" / "breakdown.npz", **breakdown_arrays())
    page = Page(write_report(run))
    for name in ("month", "latitude", "spectrum"):
        assert (run / "plots" / f"{name}_01_temp.png").is_file()
    assert "RMSE of temp by month" in page.text
    assert "Power spectrum of uo" in page.text
    (run / "plots" / "month_01_temp.png").unlink()
    np.savez(
        run / "plots" / "breakdown.npz", **breakdown_arrays() | {"names": np.array(["000001"] * 4)}
    )
    assert "by month" not in Page(write_report(run)).text.replace("Errors by month", "")
    assert not (run / "plots" / "month_01_temp.png").exists()


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("20060416T000000", 4),
        ("20060416", 4),
        ("sst_2006-12", 12),
        ("thetao-200601", 1),
        ("00010203T000000", 2),
        ("000001", None),
        ("000412", None),
        ("20061301", None),
    ],
)
def test_months_are_read_from_the_names_of_steps(name: str, month: int | None) -> None:
    found = Breakdown.read(breakdown_arrays() | {"names": np.array([name] * 4)}).months()
    assert (None if found is None else found[0]) == month


@pytest.mark.broad
def test_page_shows_the_dataset_as_it_was_prepared(build_run: BuildRun, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    statistics = {"mean": 15.25, "std": 2.5, "min": 4.0, "max": 25.0, "observed_share": 0.625}
    manifest = {
        "sources": ["a.nc", "b.nc"],
        "variables": {"temp": {"attributes": {"units": "degC"}}},
        "splits": {
            "train": {
                "first": "2001-01-01T00:00:00",
                "last": "2003-12-31T00:00:00",
                "statistics": {"temp": statistics},
            }
        },
        "notes": ["a warning about the splits"],
    }
    (data / "manifest.json").write_text(json.dumps(manifest))
    config = {**CONFIG, "data": {**CONFIG["data"], "root": str(data)}}
    page = Page(write_report(build_run(config=config)))
    assert "Training split 100 2001-01-01T00:00:00 2003-12-31T00:00:00" in page.text
    assert "temp [degC] Training split 15.25 2.5 4 25 62.5 %" in page.text
    assert "a warning about the splits" in page.text
    assert "RMSE [degC]" in page.text


@pytest.mark.broad
def test_memory_is_measured_and_actual(build_run: BuildRun) -> None:
    events = [{**epoch_event(1), "peak_memory_bytes": 33 * 2**27}, epoch_event(2)]
    page = Page(write_report(build_run(events=events)))
    assert "measured by the dry run 3.0 GB –" in page.text
    assert "actual, in training 4.1 GB +37.5 %" in page.text


@pytest.mark.broad
def test_failures_and_earlier_revisions_are_told(build_run: BuildRun) -> None:
    run = build_run()
    assert "None: the run config is the one that was frozen first." in Page(write_report(run)).text
    earlier = {**CONFIG, "training": {**CONFIG["training"], "lr": 0.1}}
    (run / "run.r1.yaml").write_text(yaml.safe_dump(earlier))
    failure = {"kind": "loss_not_finite", "error": "the loss is nan", "rank": 0, "step": 7,
               "epoch": 2, "phase": "training", "time": "2026"}  # fmt: skip
    (run / "failure.json").write_text(json.dumps(failure))
    page = Page(write_report(run))
    assert "Error message: the loss is nan" in page.text
    assert "Suggested changes:" in page.text
    assert "Earlier revision run.r1.yaml Setting Then Now Learning rate 0.1 0.001" in page.text
    (run / "failure.json").write_text('{"kind": "no such kind", "error": "strange"}')
    assert "strange" in Page(write_report(run)).text


@pytest.mark.broad
def test_page_says_how_to_reproduce_the_run(build_run: BuildRun) -> None:
    run = build_run()
    page = Page(write_report(run))
    assert "Digest 0123abcd" in page.text
    assert "torch 2.13.0" in page.text
    assert f"srwizard answers --from {run} > answers.yaml" in page.text


@pytest.mark.broad
def test_an_ensemble_shows_its_members_and_spread(build_run: BuildRun) -> None:
    samples = sample_arrays()
    samples |= {"member": samples["hr"] + 0.3, "spread": np.abs(samples["hr"]) * 0.01}
    run = build_run(samples=samples, events=[epoch_event(1), {**TEST_EVENT, "members": 8}])
    page = Page(write_report(run))
    assert "the mean of 8 members" in page.text
    assert (run / "plots" / "ensemble_01_02_uo.png").is_file()
    assert any("spread" in (image["alt"] or "") for image in page.all("img"))


def beaten(name: str = "linear") -> dict[str, object]:
    """Return scores of a model that the best simple method beats, though bicubic does not."""
    found = scores(0.2, 0.3)
    return {**found, name: {**found["bicubic"], "rmse": 0.15}, "best": name, "skill": -1 / 3}


@pytest.mark.broad
def test_page_says_why_the_model_is_no_better(build_run: BuildRun) -> None:
    run = build_run(events=[epoch_event(1), {**TEST_EVENT, "variables": {"temp": beaten()}}])
    page = Page(write_report(run))
    said = "the model is not better than the best simple method, linear filter (RMSE 0.2 against"
    assert f"temp: {said} 0.15)." in page.text
    assert "too few to tell why" in page.text


def test_page_says_that_it_overfitted(build_run: BuildRun) -> None:
    events = epochs_of([1 / n for n in range(1, 21)], [0.5 + 0.02 * n for n in range(20)])
    page = Page(write_report(build_run(events=events)))
    assert "Overfitting: validation was best at epoch 1" in page.text


@pytest.mark.broad
def test_errors_stand_beside_the_best_simple_method(build_run: BuildRun) -> None:
    arrays = breakdown_arrays()
    methods = [["model"] * 2, ["bicubic"] * 2, ["linear", "bicubic"]]
    for name in ("rows", "steps"):
        arrays[name] = np.concatenate([arrays[name], arrays[name][1:]])
    arrays["spectra"] = np.insert(arrays["spectra"], 2, arrays["spectra"][1] / 2, axis=0)
    run = build_run()
    np.savez(run / "plots" / "breakdown.npz", **arrays, methods=np.array(methods))
    alternatives = {image["alt"] or "" for image in Page(write_report(run)).all("img")}
    assert "Bars of the RMSE of temp in each month: model, bicubic, linear filter." in alternatives
    assert "Bars of the RMSE of uo in each month: model, bicubic." in alternatives
    found = Breakdown.read(arrays | {"methods": np.array(methods)})
    figure = month_figure(found, 0, "")
    assert figure is not None
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["model", "bicubic", "linear filter"]


class Marked(gettext.NullTranslations):
    """A catalogue that leaves its mark on every text it is asked for."""

    def gettext(self, message: str) -> str:
        return f"译{message}"


@pytest.mark.broad
def test_page_is_in_the_language_of_the_user(
    build_run: BuildRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    i18n.set_language("zh")
    monkeypatch.setattr(i18n, "_translations", Marked())
    page = Page(write_report(build_run(samples=sample_arrays())))
    assert page.all("html")[0]["lang"] == "zh-CN"
    assert len(page.headings) == 10
    assert all(heading.startswith("译") for heading in page.headings)
    assert all((image["alt"] or "").startswith("译") for image in page.all("img"))
    assert "译Super-resolution of temp, uo" in page.text


@pytest.mark.broad
def test_english_page_says_so(build_run: BuildRun) -> None:
    assert Page(write_report(build_run())).all("html")[0]["lang"] == "en"


def test_report_needs_no_torch() -> None:
    code = "import sys, srwizard.report; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.broad
def test_the_results_of_an_ensemble_tell_its_crps(build_run: BuildRun) -> None:
    """Its mean may be no better than the simple method, and the ensemble much better."""
    event = {**TEST_EVENT, "members": 8}
    temp = event["variables"]["temp"]
    own = {**temp, "model": {**temp["model"], "crps": 0.1, "spread": 0.2},
           "bicubic": {**temp["bicubic"], "crps": 0.3}}  # fmt: skip
    event["variables"] = {**event["variables"], "temp": own}
    page = Page(write_report(build_run(events=[epoch_event(1), event])))
    assert "temp: the scores are those of the ensemble mean; CRPS 0.1 (bicubic 0.3)" in page.text
