"""Failures of what is read and written: the dataset and its loaders, checkpoints, the disk."""

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.runs.failure_kinds.kind import INSPECT, Advice, Kind
from srwizard.settings.answers import Answers
from srwizard.settings.changes import value_text
from srwizard.settings.remedy import Remedy


def without_loaders(answers: Answers) -> Remedy:
    """Return the remedy of a training that reads its data without loader processes."""
    return Remedy(
        {"training.num_workers": 0},
        _(
            "Loader processes {before} → 0 (the training process reads the data itself)",
            before=value_text("training.num_workers", answers.training.num_workers),
        ),
        _("the device may wait for data"),
    )


TOO_MANY_OPEN = Kind(
    "too_many_open_files",
    N_("Too many files are open."),
    causes=(N_("the limit of open files (ulimit -n) is low, and loader processes need many"),),
    advice=(
        Advice(N_("raise the limit, for example ulimit -n 65536, then start again")),
        Advice(N_("set training.num_workers to 0"), without_loaders),
    ),
    pattern=r"Too many open files|\[Errno 2[34]\]|received 0 items of ancdata",
)

KINDS = (
    Kind(
        "disk_full",
        N_("The disk is full. Earlier checkpoints are intact."),
        causes=(N_("there was no space for checkpoints or the log"),),
        advice=(Advice(N_("free some space, then continue: {again}")),),
        pattern=r"No space left on device|\[Errno 28\]|Disk quota exceeded",
    ),
    Kind(
        "checkpoint_unusable",
        N_("Training cannot continue from the existing checkpoint."),
        causes=(
            N_("the file was damaged after it was written"),
            N_("it was written by a run with another model, dataset or seed"),
        ),
        advice=(
            Advice(N_("choose another output.dir")),
            Advice(N_("remove the checkpoint to start over")),
        ),
        pattern=r"^(Damaged)?CheckpointError",
    ),
    Kind(
        "data_unreadable",
        N_("A data file vanished, or cannot be read any more."),
        causes=(
            N_("the dataset was moved or changed while training ran"),
            N_("files were still being written, or filled in, when training began"),
        ),
        advice=(
            INSPECT,
            Advice(N_("restore the files, then continue: {again}")),
        ),
        pattern=r"DatasetError|^signal 7$|FileNotFoundError|mmap length|cannot reshape|"
        r"[Tt]runcated|Unable to (synchronously )?open|Can't (synchronously )?read data|"
        r"No data left in file|EOF: reading array|PermissionError|EOFError",
    ),
    Kind(
        "loader_died",
        N_("A loader process ended unexpectedly."),
        causes=(
            N_("a library that reads the data crashed"),
            N_("a user or a batch system killed it"),
        ),
        advice=(
            Advice(
                N_("set training.num_workers to 0: the error then shows where it arises"),
                without_loaders,
            ),
            INSPECT,
        ),
        pattern=r"DataLoader worker .*(exited unexpectedly|is killed by signal)",
    ),
)
