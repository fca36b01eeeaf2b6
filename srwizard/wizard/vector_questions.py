"""Questions on variables that look like components of a vector whose other one is not known."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from srwizard.base.i18n import translate as _
from srwizard.data.quantities import attributes_in
from srwizard.data.vectors import known_vectors, lonely_components
from srwizard.prompts.question import Choice, Question
from srwizard.wizard.conversation import Conversation, Maker
from srwizard.wizard.option_questions import question

if TYPE_CHECKING:
    from srwizard.data.inspect import DatasetSummary

Pairs = list[list[str]]


def vector_questions(conversation: Conversation, summary: "DatasetSummary") -> list[Maker]:
    """Return makers of one question for each variable, put where its vector is not known."""
    return [
        partial(_question, conversation, summary, variable.name) for variable in summary.variables
    ]


def _question(conversation: Conversation, summary: "DatasetSummary", name: str) -> Question | None:
    """Ask which vector a variable belongs to, unless an earlier answer has settled it."""
    if not conversation.prompts.interactive:
        return None
    answers = conversation.session.answers
    names = answers.data.variables or [variable.name for variable in summary.variables]
    told = attributes_in(summary.root, summary.layout, names)
    known = known_vectors(names, told)
    lonely = dict(lonely_components(names, known, told))
    if name not in lonely:
        return None
    asked = list(lonely)[: list(lonely).index(name)]
    if asked and answers.data.vectors is None:
        return None  # samples are not flipped: no pair matters
    settled = [*known, *_pairs_with(asked, answers.data.vectors or [], known)]
    paired = {each for pair in settled for each in pair}
    if name in paired:
        return None
    others = [other for other in names if other != name and other not in paired]
    pairs = [[name, other] if lonely[name] else [other, name] for other in others]
    return replace(
        question(conversation, "data.vectors"),
        text=_("{name} looks like a component of a vector: of which one?", name=name),
        help=_("When training samples are flipped, vector components change their sign."),
        kind="one",
        default=None,
        choices=(
            Choice(None, _("not sure: samples are not flipped")),
            Choice(settled, _("it is not part of a vector")),
            *(
                Choice([*settled, pair], _("{east} eastward, {north} northward",
                                           east=pair[0], north=pair[1]))
                for pair in pairs
            ),
        ),
    )  # fmt: skip


def _pairs_with(names: Sequence[str], pairs: Pairs, known: Pairs) -> Pairs:
    """Return the pairs that were answered for these variables."""
    return [pair for pair in pairs if pair not in known and not set(pair).isdisjoint(names)]
