"""What the ordinary suite leaves out: tests on a GPU, which are for `make test-gpu`.

What `make test-fast` leaves out besides the slow tests: most cases of a test of all networks.

A test that is repeated for every network is run between two edits for one network of each kind; the
other cases are marked `broad`, here, wherever the name of a network is among a test's parameters.
So are all cases but the first of tests that start the program or train, and whole files for which
another one stands.
"""

from pathlib import Path

import pytest

from srwizard.models.catalog import cards

TESTS = Path(__file__).parent
ONE_OF_EACH_KIND = ("EDSR", "SwinIR", "FNO2d", "DDPM")
"""Convolutions, attention in windows, Fourier layers, diffusion."""

STOOD_FOR = {
    "data/test_beside.py": "data/test_baselines.py",
    "data/test_coarsening.py": "data/test_prepare.py",
    "data/test_grid_order.py": "data/test_layouts.py",
    "data/test_handing_over.py": "data/test_baselines.py",
    "data/test_locks.py": "data/test_prepare.py",
    "data/test_lr_product.py": "data/test_prepare.py",
    "data/test_outliers.py": "data/test_pairing.py",
    "data/test_pair_processes.py": "data/test_prepare.py",
    "data/test_pairing_properties.py": "data/test_pairing.py",
    "data/test_prepare_missing.py": "data/test_prepare.py",
    "data/test_prepare_opening.py": "data/test_prepare.py",
    "data/test_prepare_selection.py": "data/test_prepare.py",
    "data/test_prepare_side_by_side.py": "data/test_prepare.py",
    "data/test_prepare_times.py": "data/test_prepare.py",
    "data/test_read_ahead.py": "data/test_prepare.py",
    "data/test_samples.py": "train/test_loop.py",
    "data/test_statics.py": "data/test_guides.py",
    "data/test_stored.py": "data/test_layouts.py",
    "e2e/test_after_a_failure.py": "e2e/test_terminal.py",
    "e2e/test_as_typed.py": "e2e/test_terminal.py",
    "e2e/test_bad_raw_files.py": "data/test_prepare.py",
    "e2e/test_lost_terminal.py": "e2e/test_terminal.py",
    "e2e/test_other_machines.py": "e2e/test_answers_run.py",
    "e2e/test_raw_files.py": "data/test_prepare.py",
    "e2e/test_recipe.py": "settings/test_recommended.py",
    "e2e/test_sessions.py": "e2e/test_terminal.py",
    "e2e/test_simple_methods.py": "data/test_baselines.py",
    "e2e/test_undeclared_values.py": "data/test_prepare.py",
    "e2e/test_unusable_gpus.py": "hardware/test_devices.py",
    "gpu/test_gpu_arithmetic.py": "models/test_networks.py",
    "gpu/test_gpu_runs.py": "train/test_loop.py",
    "hardware/nvml/test_visible.py": "hardware/nvml/test_nvml.py",
    "memory/test_dry_run.py": "memory/test_predict.py",
    "memory/test_resident.py": "memory/test_predict.py",
    "memory/test_sharded.py": "memory/test_predict.py",
    "models/test_constants.py": "models/test_networks.py",
    "models/test_flow_matching.py": "models/test_diffusion.py",
    "models/test_plain_forms.py": "models/test_networks.py",
    "models/test_working_values.py": "settings/test_options.py",
    "prompts/test_questions.py": "prompts/test_menu.py",
    "report/test_browser.py": "report/test_page.py",
    "report/test_chinese.py": "report/test_page.py",
    "report/test_comparing.py": "report/test_page.py",
    "report/test_maps.py": "report/test_page.py",
    "robustness/test_borrowed_machines.py": "e2e/test_command_line.py",
    "robustness/test_damaged_inputs.py": "runs/test_incomplete_records.py",
    "robustness/test_damaged_records.py": "runs/test_incomplete_records.py",
    "robustness/test_special_files.py": "e2e/test_command_line.py",
    "runs/test_overfitting.py": "runs/test_status.py",
    "selfcheck/test_optimum.py": "selfcheck/test_limits.py",
    "slurm/test_jobs.py": "slurm/test_checks.py",
    "test_forked.py": "e2e/test_command_line.py",
    "train/diagnostics/test_every_figure.py": "train/diagnostics/test_diagnostics.py",
    "train/test_breakdown.py": "train/diagnostics/test_diagnostics.py",
    "train/test_conservation.py": "train/test_skip.py",
    "train/test_constant_variable.py": "train/test_loop.py",
    "train/test_gain.py": "train/test_skip.py",
    "train/test_late_reading.py": "train/test_loop.py",
    "train/test_lr_range_test.py": "train/test_loop.py",
    "train/test_optimization.py": "train/test_loop.py",
    "train/test_poor_records.py": "train/test_loop.py",
    "train/test_sampling.py": "models/test_diffusion.py",
    "train/test_saving_beside.py": "train/test_checkpoint.py",
    "train/test_saving_times.py": "train/test_checkpoint.py",
    "train/test_seam.py": "train/test_skip.py",
    "train/test_sharding.py": "models/test_networks.py",
    "use/test_guided.py": "data/test_guides.py",
    "use/test_honest.py": "use/test_predict.py",
    "use/test_levels.py": "use/test_predict.py",
    "use/test_load_run.py": "use/test_predict.py",
    "use/test_missing_values.py": "use/test_predict.py",
    "use/test_poor_scores.py": "use/test_predict.py",
    "use/test_threads.py": "use/test_predict.py",
    "wizard/test_sweep.py": "e2e/test_answers_run.py",
    "wizard/test_weights.py": "models/test_importing.py",
}
"""Files that look closer at what another one has looked at already; all of them are `broad`."""

STARTS_OR_TRAINS = ("e2e", "gpu", "memory", "report", "robustness", "runs", "slurm", "train", "use")
"""Directories in which a case takes tenths of a second, not thousandths."""
LONGEST_FIRST = (
    "slurm/test_jobs.py",
    "train/test_machines.py",
    "memory/test_predict.py",
    "robustness/test_killed_preparing.py",
    "robustness/test_signals.py",
    "test_documentation.py",
    "e2e/test_out_of_memory.py",
    "train/test_sharding.py",
    "report/test_page.py",
    "use/test_export.py",
    "e2e/test_answers_run.py",
    "e2e/test_terminal.py",
    "robustness/test_damaged_records.py",
    "models/test_diffusion.py",
    "train/test_launch.py",
    "e2e/test_conversations.py",
    "memory/test_sharded.py",
    "use/test_resuming.py",
    "memory/test_dry_run.py",
    "report/test_browser.py",
    "train/test_sampling.py",
    "robustness/test_killed_at_work.py",
    "e2e/test_raw_files.py",
    "train/test_process_environment.py",
    "train/test_loop.py",
    "test_wheel.py",
    "e2e/test_adding_an_option.py",
    "train/test_every_model.py",
)
"""Files that take minutes, much of it waiting: others are worked at beside them, not after them."""


def is_quick(config: pytest.Config) -> bool:
    """Return whether tests are left out for the sake of time."""
    return "not broad" in config.getoption("markexpr")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even load a file all of whose tests are left out: that takes seconds together."""
    if not is_quick(config) or not collection_path.is_relative_to(TESTS):
        return None
    return str(collection_path.relative_to(TESTS)) in STOOD_FOR or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is about a network, or in a file, that another one stands for.

    Long tests and those on a GPU are left out unless they are asked for by their mark.
    """
    _leave_out(config, items, "long")
    _leave_gpus_alone(config, items)
    others = set(cards()) - set(ONE_OF_EACH_KIND)
    stood_for: set[tuple[str, ...]] = set()
    for item in items:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        networks = _networks(item)
        case = (item.nodeid.partition("[")[0], *networks)
        if file in STOOD_FOR or others & set(networks) or case in stood_for:
            item.add_marker("broad")
        elif file.partition("/")[0] in STARTS_OR_TRAINS:
            stood_for.add(case)
    first = [f"tests/{file}::" for file in LONGEST_FIRST]
    items.sort(key=lambda item: [not item.nodeid.startswith(file) for file in first])


def _networks(item: pytest.Item) -> list[str]:
    """Return the names of networks among the parameters of a test."""
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    return [value for value in values if isinstance(value, str) and value in cards()]


def _leave_out(config: pytest.Config, items: list[pytest.Item], mark: str) -> None:
    """Take out the tests with a mark unless `-m` names it."""
    if mark in config.getoption("markexpr"):
        return
    left_out = {item for item in items if item.get_closest_marker(mark) is not None}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _leave_gpus_alone(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests on a GPU unless `-m` names them, and skip them where there is none."""
    _leave_out(config, items, "gpu")
    on_gpu = [item for item in items if item.get_closest_marker("gpu") is not None]
    if not on_gpu:
        return
    import torch

    if not torch.cuda.is_available():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA GPU on this machine"))
