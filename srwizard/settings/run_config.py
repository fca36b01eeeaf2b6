"""The frozen run config: all that training needs, resolved, sealed by a digest, read-only.

It is the only thing that crosses from the wizard to the training core.
"""

import hashlib
import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file
from srwizard.base.version import __version__
from srwizard.base.visible import in_shell
from srwizard.data.baselines.choice import Choice, Method
from srwizard.data.weighting import Weighting
from srwizard.settings import yaml_file
from srwizard.settings.data import FrozenData
from srwizard.settings.memory import FrozenMemory
from srwizard.settings.model import FrozenModel
from srwizard.settings.option import Section
from srwizard.settings.training import FrozenTraining

SCHEMA_VERSION = 1
FILE_NAME = "run.yaml"
UNSEALED = ("created", "revision", "output", "language", "digest", "field_digests", "stamps")
"""What may differ between two runs that are the same: when, where, in which language, and which
copy of the dataset was read."""
HEADER = (
    "# Frozen by srwizard. Training refuses this file once it is edited:\n"
    "# change the answers instead and freeze a new revision.\n"
)

VALIDATION_MEMBERS = 2
"""As few as the fair CRPS needs, by which the best checkpoint is chosen: the RMSE of one sample
would be least for a model that knows nothing of the spread, the untrained one above all."""


class CheckedData(Section):
    """The dataset as it was checked; shapes are `[H, W]`.

    `block_means` says how HR points count in the block means that LR is made of.
    """

    root: str
    layout: Literal["npy", "h5", "nc"]
    variables: list[str]
    scale: int
    hr_shape: list[int]
    lr_shape: list[int]
    steps: dict[str, int]
    fingerprint: dict[str, str]
    block_means: Weighting = "equal"


class RunData(FrozenData, CheckedData):
    """What of the dataset is trained on.

    `handedness` is 0 where samples are not turned by 90 degrees; else it says how, see
    `srwizard.data.square_grid`. `masked` are the outliers that only their neighbours tell, by part
    and step: row and column of each; see `srwizard.data.outliers`.
    """

    handedness: Literal[-1, 0, 1] = 0
    periodic: bool = False
    """Whether the grid goes round the globe."""
    guide_scales: dict[str, list[float]] = Field(default_factory=dict)
    """Mean and spread of those guides that are variables, over the training split."""
    patches_go_round: bool = False
    """Whether training patches cross the seam of such a grid. Runs that were frozen before they did
    go on with the patches that they have begun with."""
    masked: dict[str, dict[str, list[list[int]]]] = Field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """`[H, W]` of the levels "hr" and "lr"."""
        return {
            level: (shape[0], shape[1])
            for level, shape in (("hr", self.hr_shape), ("lr", self.lr_shape))
        }

    @property
    def described(self) -> list[str]:
        """The variables and guides whose units matter to those who use the run."""
        return [*self.variables, *self.varying_guides]

    @property
    def static_guides(self) -> list[str]:
        """The guides that do not change in time."""
        return [name for name in self.guides if name not in self.guide_scales]

    @property
    def varying_guides(self) -> list[str]:
        """The guides that do."""
        return [name for name in self.guides if name in self.guide_scales]


class RunOutput(Section):
    dir: str


class RunWeights(Section):
    """The file that training begins from."""

    path: str
    sha256: str


class RunMethod(Section):
    """A simple method; `weight` is how much of the climatology it takes."""

    method: Method
    weight: float

    @property
    def choice(self) -> Choice:
        """The method to apply."""
        return Choice(self.method, self.weight)


class RunLearning(Section):
    """The RMSE of a fit on so many steps."""

    steps: int
    rmse: float


class RunEvidence(Section):
    """What the record says of how much can be learnt: see `srwizard.data.baselines.evidence`.

    `levels` are lowest and highest, in the variable's unit.
    """

    steps: int
    observed: float
    learning_curve: list[RunLearning]
    levels: dict[str, list[float]]


class RunSkip(RunMethod):
    """The method that the network starts from for one variable, and how it was found.

    `best` is the method with the lowest RMSE on the validation split, `valid_rmse` the RMSE there
    of each; None where it could not be measured. `evidence` is not there in older runs.
    """

    best: RunMethod
    valid_rmse: dict[str, float | None]
    evidence: RunEvidence | None = None


class ResolvedModel(Section):
    """The network, and what it starts from: a simple method for each variable, or none.

    `global_skip` is there for runs of version 0.1.0, whose network gave normalized fields, and
    for weights from elsewhere: it adds bicubic interpolation of the normalized input.
    """

    name: str
    params: dict[str, Any]
    in_channels: int
    out_channels: int
    global_skip: bool = False
    skip: dict[str, RunSkip] | None = None
    weights: RunWeights | None = None


class RunModel(FrozenModel, ResolvedModel):
    """The network, and what training begins from."""


class RunGPU(Section):
    index: int
    uuid: str
    name: str


OneWord = Annotated[str, Field(pattern=r"^[^\s\p{C}]+$")]
OneLine = Annotated[str, Field(pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]+$")]


class RunSlurm(Section):
    """What the job asks Slurm for; None: what the cluster grants of its own accord.

    All of it becomes lines of a script, also where the run config is somebody else's: no value may
    begin a line of its own.
    """

    partition: OneWord | None = None
    account: OneWord | None = None
    time: OneWord | None = None
    memory: OneWord | None = None
    cpus: Annotated[int, Field(ge=1)] | None = None
    directives: list[OneLine] = Field(default_factory=list)


class RunDevices(Section):
    """Where training runs.

    `processes` are those of one machine: one for each GPU, or as many as chosen on a CPU. On this
    machine the GPUs are named; on others (`launcher` "nodes" or "slurm") they are only counted.
    """

    launcher: Literal["here", "nodes", "slurm"] = "here"
    gpus: list[RunGPU]
    gpus_per_node: int = 0
    processes: int
    nodes: int
    backend: Literal["gloo", "nccl"]
    rdzv_endpoint: str | None = None
    slurm: RunSlurm | None = None

    @property
    def on_gpus(self) -> bool:
        """Whether training runs on GPUs."""
        return bool(self.gpus) or self.gpus_per_node > 0

    @property
    def world_size(self) -> int:
        """Processes of all machines together."""
        return self.processes * self.nodes


class RunTraining(FrozenTraining):
    """The training options, resolved.

    `schedule_from` is how many epochs lie before the learning-rate schedule: more than 0 where it
    was begun again for more epochs.
    """

    schedule_from: Annotated[int, Field(ge=0)] = 0


class RunMemory(FrozenMemory):
    """The memory options, resolved."""

    tile_size: int | None = None
    """Side of the tiles, in HR points, in which a run on patches scores whole fields; 0: whole.
    None, as in earlier runs: as large as the patches."""

    @property
    def tile(self) -> int | None:
        """Side of the tiles in HR points; None where whole fields go through the network."""
        if self.patch_size is None:
            return None
        return self.patch_size if self.tile_size is None else self.tile_size or None


class RunConfig(Section):
    schema_version: Literal[1] = 1
    revision: int = 1
    created: str
    language: Literal["en", "zh"]
    data: RunData
    output: RunOutput
    model: RunModel
    training: RunTraining
    devices: RunDevices
    memory: RunMemory
    software: dict[str, str]
    stamps: dict[str, str] = Field(default_factory=dict)
    """Of the files of each part of the dataset: see `srwizard.data.fingerprint`."""
    digest: str = ""
    field_digests: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _as_version_010_trained(cls, values: Any) -> Any:
        """Fill in what run configs did not say before there was a choice."""
        if isinstance(values, dict) and isinstance(values.get("training"), dict):
            values = values | {"training": {"augment": False} | values["training"]}
        return values

    @property
    def global_batch(self) -> int:
        """Samples in one optimizer step, over all processes and micro-batches."""
        return self.training.batch_size * self.training.grad_accumulation * self.devices.world_size

    @property
    def sharded(self) -> bool:
        """Whether each process holds only its part of weights, gradients and optimizer state."""
        return self.memory.shard and self.devices.world_size > 1

    @property
    def reads_latitude(self) -> bool:
        """Whether the latitude of HR points has a say in loss, scores or predictions."""
        return self.training.area_weights or self.data.block_means == "area"

    @property
    def conserves(self) -> bool:
        """Whether block means of SR are made those of LR."""
        return self.model.conserve != "none"

    @property
    def scoring_batch(self) -> int:
        """Whole fields that a process scores at once: with patches, one by one.

        Fewer than are trained on in 16 bits: scores are computed in float32, and the peak is to be
        that of training.
        """
        if self.memory.patch_size:
            return 1
        batch = self.training.batch_size
        return -(-batch // 4) if self.memory.use_amp else batch


def seal(config: RunConfig) -> RunConfig:
    """Return `config` with its time of creation, digest and field digests filled in."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    values = config.model_dump() | {"created": created}
    fields = _field_digests(values)
    return RunConfig.model_validate(values | {"digest": _digest(values), "field_digests": fields})


def software_versions() -> dict[str, str]:
    """Return the versions that a result depends on, without importing the packages."""
    return {
        "python": platform.python_version(),
        "srwizard": __version__,
        **{package: _version(package) for package in ("torch", "numpy")},
    }


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def write(config: RunConfig, run_dir: Path) -> Path:
    """Write a sealed config as `run.yaml`, read-only; an earlier one becomes `run.rN.yaml`.

    Raises:
        OSError: the directory cannot be written.
    """
    path = run_dir / FILE_NAME
    if path.exists():
        earlier = run_dir / f"run.r{load(run_dir).revision}.yaml"
        files.write_bytes(earlier, path.read_bytes(), mode=0o444)
    files.write_text(path, HEADER + yaml_file.dump(config.model_dump()), mode=0o444)
    return path


def load(run_dir: Path) -> RunConfig:
    """Read the run config of a run directory and verify its digest.

    Raises:
        UsageError: there is none, it was edited after freezing, or it is of another version.
    """
    path = run_dir / FILE_NAME
    try:
        content = require_file(path).read_bytes()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError) and run_dir.is_dir()
        reason = _("it holds no {name}", name=FILE_NAME) if missing else reason_of(error)
        raise UsageError(
            _("{path} is not a run directory: {reason}", path=run_dir, reason=reason),
            _("A run directory holds a run.yaml, which the wizard writes."),
        ) from None
    document = yaml_file.parse(content, str(path))
    found_version = document.values.get("schema_version")
    if found_version != SCHEMA_VERSION:
        raise UsageError(
            _(
                "{path} has schema version {found}; this srwizard reads {known}",
                path=path,
                found=found_version,
                known=SCHEMA_VERSION,
            ),
            _("Use the srwizard that wrote it, or freeze the answers again."),
        )
    changed = list(changed_fields(document.values))
    if changed:
        raise UsageError(
            _("{path} was edited after it was frozen:", path=path)
            + "".join(f"\n  {line}" for line in changed),
            _(
                "Undo the edit; then print the answers with srwizard answers --from {run_dir}, "
                "change them and freeze them again.",
                run_dir=in_shell(run_dir),
            ),
        )
    try:
        return RunConfig.model_validate(document.values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            _(
                "{place}: {key}: {reason}",
                place=document.place(first["loc"]),
                key=".".join(str(part) for part in first["loc"]),
                reason=first["msg"],
            )
        ) from None


def digest_in(run_dir: Path) -> str | None:
    """Return the digest of the run config in a directory, None where no sound one is there."""
    try:
        return load(run_dir).digest
    except UsageError:
        return None


def changed_fields(values: dict[str, Any]) -> Iterator[str]:
    """Yield what differs from the sealed state: a field changed, added or removed."""
    sealed = values.get("field_digests")
    sealed = sealed if isinstance(sealed, dict) else {}
    present = _field_digests(values)
    current = dict(_leaves(values))
    for key in sorted(sealed.keys() | present.keys(), key=str):
        if key not in present:
            yield _("{key} was removed", key=key)
        elif key not in sealed:
            yield _("{key} was added", key=key)
        elif sealed[key] != present[key]:
            yield _("{key} was changed, now {value}", key=key, value=current[key])
    if sealed == present and values.get("digest") != _digest(values):
        yield _("{key} was changed, now {value}", key="digest", value=values.get("digest"))


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            if prefix or key not in UNSEALED:
                yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _canonical(value: Any) -> bytes:
    text = json.dumps(_with_text_keys(value), sort_keys=True, ensure_ascii=False, default=str)
    return text.encode("utf-8", "surrogatepass")


def _with_text_keys(node: Any) -> Any:
    """Return `node` as JSON can sort it: YAML also knows numbers, dates and null as keys."""
    if isinstance(node, dict):
        return {str(key): _with_text_keys(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_with_text_keys(item) for item in node]
    return node


def _field_digests(values: dict[str, Any]) -> dict[str, str]:
    return {
        key: hashlib.sha256(_canonical(value)).hexdigest()[:12] for key, value in _leaves(values)
    }


def _digest(values: dict[str, Any]) -> str:
    sealed = {key: value for key, value in values.items() if key not in UNSEALED}
    return "sha256:" + hashlib.sha256(_canonical(sealed)).hexdigest()


def statistics_key(config: RunConfig) -> str:
    """Return what the normalization statistics depend on, as a digest."""
    parts = {
        "fingerprint": config.data.fingerprint,
        "variables": config.data.variables,
        "normalization": config.training.normalization,
        **_outliers(config),
    }
    return hashlib.sha256(_canonical(parts)).hexdigest()


def _outliers(config: RunConfig) -> dict[str, Any]:
    """Return what is left out of the data; nothing where nothing is, as in older runs."""
    data = config.data
    return {"outliers": data.masked} if data.outliers == "mask" else {}


def baselines_key(config: RunConfig) -> str:
    """Return what the simple methods depend on, as a digest."""
    parts: dict[str, Any] = {
        "fingerprint": config.data.fingerprint,
        "variables": config.data.variables,
        "normalization": config.training.normalization,
        "skip": {
            name: [found.method, found.weight] for name, found in (config.model.skip or {}).items()
        },
        **_outliers(config),
    }
    if config.data.periodic:
        parts["periodic"] = True
    return hashlib.sha256(_canonical(parts)).hexdigest()
