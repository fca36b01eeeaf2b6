"""The wheel: built, installed into an environment of its own, and working from there."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS

ROOT = Path(__file__).parent.parent


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=600,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_works_beside_somebody_elses_models(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", wheels, ROOT],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    (wheel,) = wheels.glob("srwizard-*.whl")
    home = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=tmp_path)
    run(
        sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet",
        "--no-deps", "--no-index", wheel, cwd=tmp_path,
    )  # fmt: skip
    # What it depends on is not downloaded once more; the package itself comes from the wheel.
    place = next((home / "lib").glob("python*")) / "site-packages"
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    user = tmp_path / "user"
    for name in ("models", "states", "srwizard"):
        (user / name).mkdir(parents=True)
        (user / name / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    root = write_dataset(user / "data")
    (user / "answers.yaml").write_text(ANSWERS.format(root=root, run=user / "run"))
    where = (
        "import srwizard.models.edsr as m, srwizard.states.data as s; print(m.__file__, s.__file__)"
    )
    for found in run(home / "bin" / "python", "-Pc", where, cwd=user).split():
        assert Path(found).is_relative_to(home)
    srwizard = home / "bin" / "srwizard"
    assert "SwinIR" in run(srwizard, "models", cwd=user)
    assert "标准模型" in run(srwizard, "--lang", "zh", "models", cwd=user)
    run(srwizard, "--answers", "answers.yaml", cwd=user)
    assert (user / "run" / "report.html").is_file()
