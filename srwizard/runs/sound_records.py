"""What records of a run must hold to be used: nobody computes with what is no number.

They may be damaged, edited, or somebody else's. An event of `metrics.jsonl` counts as a whole or
not at all; of the objects in `status.json`, `dry_run.json` and `failure.json` whatever is not what
its key says is left out, as if it had not been written. Unknown keys are not looked at.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from srwizard.data.baselines.choice import BICUBIC

Number = Annotated[float, Field(allow_inf_nan=False)] | None
Measure = float | None
"""A loss or a score, which may have been infinite."""
LEFT_OUT: Any = Field(default=None)
"""Of a diagnostic that there is as a whole or not at all: null is neither."""


def _has_rmse(found: dict[str, Measure]) -> dict[str, Measure]:
    if "rmse" not in found:
        raise ValueError("no RMSE")
    return found


Scores = Annotated[dict[str, Measure], AfterValidator(_has_rmse)]
_SCORES: TypeAdapter[dict[str, Measure]] = TypeAdapter(Scores)


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


Ends = Annotated[list[Measure], Field(min_length=2, max_length=2)]
Figures = dict[str, Measure]


class _Intervals(_Part):
    steps: int
    block: int
    scores: dict[str, dict[str, Ends]] | None = None


class _Interval(_Intervals):
    rmse: dict[str, Ends] | None = None
    skill: Annotated[list[Number], Field(min_length=2, max_length=2)] | None
    distinguishable: bool | None


class _Lengths(_Part):
    cells: Measure
    km: Measure


class _Resolution(_Part):
    model: _Lengths
    best: _Lengths = _Lengths(cells=None, km=None)
    bicubic: _Lengths = _Lengths(cells=None, km=None)
    interval: _Intervals | None = None


class _Compared(_Part):
    """Figures of the methods; what is left out is not told."""

    model: Figures
    best: Figures = {}
    bicubic: Figures = {}
    interval: _Intervals | None = None


class _Gradient(_Compared):
    per: str


class _Consistency(_Compared):
    truth: Figures = LEFT_OUT


class _Band(_Compared):
    model: Scores
    best: Scores
    low: Measure = Field(alias="from")  # no name in Python
    to: Measure


class _Distance(_Band):
    unit: str


class _Calibration(_Part):
    members: int
    ratio: Measure
    rank_histogram: list[Number]
    points: list[Number]
    spread: list[Number]
    rmse: list[Number]

    @model_validator(mode="after")
    def _bins_have_all(self) -> "_Calibration":
        if not len(self.points) == len(self.spread) == len(self.rmse):
            raise ValueError("bins without some of their figures")
        return self


class _Pair(_Part):
    vector: _Gradient = LEFT_OUT


class _Variable(_Part):
    model: Scores
    bicubic: Scores
    best: str = BICUBIC
    skill: Measure = None
    interval: _Interval | None = None
    effective_resolution: _Resolution = LEFT_OUT
    gradient: _Gradient = LEFT_OUT
    geostrophic_speed: _Compared = LEFT_OUT
    consistency: _Consistency = LEFT_OUT
    regions: dict[str, _Compared] = LEFT_OUT
    coast: list[_Distance] = LEFT_OUT
    latitude: list[_Band] = LEFT_OUT
    month: list[_Compared] = LEFT_OUT
    map: _Part = LEFT_OUT
    calibration: _Calibration = LEFT_OUT

    @model_validator(mode="after")
    def _knows_the_best(self) -> "_Variable":
        if self.best != BICUBIC:
            _SCORES.validate_python((self.model_extra or {}).get(self.best))
        return self


class _Split(_Part):
    loss: Measure = None
    error: Measure = None
    variables: dict[str, _Variable] = Field(default_factory=dict)
    vectors: dict[str, _Pair] | None = None
    members: int | None = None


class _Start(_Part):
    event: Literal["start"]
    epoch: int
    valid: _Split


class _Epoch(_Part):
    event: Literal["epoch"]
    epoch: int
    train_loss: Measure = None
    lr: Measure = None
    seconds: Number = None
    samples_per_second: Number = None
    peak_memory_bytes: Number = None
    overfitting_since: int | None = None
    valid: _Split | None = None


class _Test(_Split):
    event: Literal["test"]
    variables: dict[str, _Variable]
    checkpoint: str | None = None
    epoch: int | None = None
    gain: dict[str, Number] | None = None


_KINDS_OF_EVENTS: dict[str, type[_Part]] = {"start": _Start, "epoch": _Epoch, "test": _Test}


def is_event(event: Any) -> bool:
    """Return whether an object of JSON is an event; of kinds that are not known, all are."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return False
    kind = _KINDS_OF_EVENTS.get(event["event"])
    if kind is None:
        return True
    try:
        kind.model_validate(event)
    except ValidationError:
        return False
    return True


class _Brief(_Part):
    """The scores of a variable, from `briefly`."""

    rmse: Number
    bicubic_rmse: Number
    best: str = BICUBIC
    best_rmse: Number = None
    skill: Number

    @model_validator(mode="after")
    def _knows_the_best(self) -> "_Brief":
        if self.best != BICUBIC and self.best_rmse is None:
            raise ValueError("no RMSE of the best")
        return self


class _Validation(_Part):
    epoch: int
    variables: dict[str, _Brief]


class _Failure(_Part):
    kind: str
    error: str


_NUMBERS = (
    "epoch", "epochs", "step", "step_in_epoch", "steps_in_epoch", "progress", "loss",
    "samples_per_second", "seconds_left", "overfitting_since", "memory_bytes", "peak_bytes",
    "peak_memory_bytes", "measured_peak_bytes", "predicted_bytes", "measured_bytes",
    "capacity_bytes", "above_baseline_bytes", "host_peak_bytes", "host_capacity_bytes",
    "address_space_bytes", "ratio", "rank", "machines", "step_seconds", "epoch_seconds",
    "validation_seconds", "run_seconds", "epochs_done", "others_share",
)  # fmt: skip
_TEXTS = (
    "state", "phase", "host", "time", "started", "digest", "traceback", "device", "verdict",
)  # fmt: skip
_KEYS: dict[str, TypeAdapter[Any]] = {
    **dict.fromkeys(_NUMBERS, TypeAdapter(Number, config=ConfigDict(strict=True))),
    **dict.fromkeys(_TEXTS, TypeAdapter(str | None, config=ConfigDict(strict=True))),
    **dict.fromkeys(("kind", "error"), TypeAdapter(str, config=ConfigDict(strict=True))),
    "test": TypeAdapter(dict[str, _Brief] | None),
    "validation": TypeAdapter(_Validation | None),
    "failure": TypeAdapter(_Failure | None),
}


def sound(record: dict[str, Any]) -> dict[str, Any]:
    """Return of a record what is what its key says."""
    return {key: value for key, value in record.items() if _is_sound(key, value)}


def _is_sound(key: str, value: Any) -> bool:
    if key not in _KEYS:
        return True
    try:
        _KEYS[key].validate_python(value)
    except ValidationError:
        return False
    return True
