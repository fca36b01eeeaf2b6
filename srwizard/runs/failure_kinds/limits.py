"""Failures at the limits that a shell or a batch system sets for each process (ulimit)."""

from srwizard.base.i18n import N_
from srwizard.runs.failure_kinds.files import without_loaders
from srwizard.runs.failure_kinds.kind import Advice, Kind

PROCESSOR_TIME = "processor_time_used_up"

KINDS = (
    Kind(
        PROCESSOR_TIME,
        N_("The processor time that a process may take is used up."),
        causes=(N_("the limit of processor time (ulimit -t) is low, as on login nodes"),),
        advice=(
            Advice(
                N_("raise the limit (ulimit -t unlimited) or go to a compute node, then continue: "
                   "{again}")
            ),
        ),
        pattern=r"^signal 24$",
    ),
    Kind(
        "too_many_processes",
        N_("No further process or thread can be started."),
        causes=(
            N_("the limit of processes (ulimit -u, or that of a container) is low; threads count"),
        ),
        advice=(
            Advice(N_("raise the limit, for example ulimit -u 4096, then start again")),
            Advice(N_("set training.num_workers to 0"), without_loaders),
            Advice(N_("use fewer threads: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1")),
        ),
        pattern=r"Thread creation failed|pthread_create failed|Resource temporarily unavailable",
    ),
    Kind(
        "file_too_large",
        N_("A file would become larger than it may. Earlier checkpoints are intact."),
        causes=(N_("the limit of the size of files (ulimit -f) is low"),),
        advice=(
            Advice(
                N_("raise the limit (ulimit -f unlimited), then continue: {again}")
            ),
        ),
        pattern=r"File too large|\[Errno 27\]|^signal 25$",
    ),
)  # fmt: skip
