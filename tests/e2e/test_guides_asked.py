"""Guides as the wizard and an answers file take them, through to a prediction."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import ENTER
from tests.e2e.walk import Walk

pytestmark = pytest.mark.broad


@pytest.fixture
def guided(dataset: Path) -> Path:
    """A dataset with the depth at HR."""
    depth = np.random.default_rng(0).normal(3000, 500, (16, 24))
    np.save(dataset / "static_variables" / "hr" / "02_depth.npy", depth)
    return dataset


@pytest.mark.slow
@pytest.mark.usefixtures("guided")
def test_from_an_answers_file_to_a_prediction(
    srwizard: Run, answers: Path, dataset: Path, tmp_path: Path
) -> None:
    done = srwizard("--answers", answers, "--set", "data.guides=[depth]")
    assert done.returncode == 0, done.stderr
    data = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["data"]
    assert (data["guides"], data["guide_scales"]) == (["depth"], {})
    assert "static/hr/02_depth" in data["fingerprint"]
    done = srwizard("evaluate", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    done = srwizard("predict", tmp_path / "run", dataset, "-o", "sr.nc")
    assert done.returncode == 0, done.stderr
    refused = srwizard("predict", tmp_path / "run", dataset, "-o", "no.nc", "--guide", "sr.nc")
    assert refused.returncode == 2
    assert "no guides of every step" in refused.stderr


@pytest.mark.usefixtures("guided")
def test_what_cannot_be_a_guide_is_refused(
    srwizard: Run, answers: Path, dataset: Path, tmp_path: Path
) -> None:
    refused = srwizard("--answers", answers, "--set", "data.guides=[deptho]")
    assert refused.returncode == 2
    for word in ("data.guides", "deptho cannot be a guide", "here lon, lat, depth"):
        assert word in refused.stderr, refused.stderr
    np.save(dataset / "static_variables" / "hr" / "02_depth.npy", np.full((16, 24), np.nan))
    refused = srwizard("--answers", answers, "--set", "data.guides=[depth]")
    assert refused.returncode == 2
    assert "02_depth.npy has no value at" in refused.stderr.replace("\n", "")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("guided")
def test_the_wizard_asks_for_them(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("data")
    screen.send(f"{dataset}{ENTER}")
    screen.wait_for("HR fields as guides")
    screen.kill()
