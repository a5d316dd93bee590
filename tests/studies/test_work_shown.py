"""What a study says it costs, against the forwards that it does."""

import dataclasses
import re

import numpy as np
import pytest

import octoscope as osc
from octoscope.policies.forward_count import counted, counting_forwards, forwards_done
from octoscope.policies.toy.toy_policy import ToyPolicy
from octoscope.studies.ablate import ablate
from octoscope.studies.drop_tokens import drop_tokens
from octoscope.studies.faithfulness import faithfulness
from octoscope.studies.language import language
from octoscope.studies.opening import Opened
from octoscope.studies.options.ablate import AblateOptions
from octoscope.studies.options.drop_tokens import DropTokensOptions
from octoscope.studies.options.faithfulness import FaithfulnessOptions
from octoscope.studies.options.language import LanguageOptions
from octoscope.studies.work_shown import work_shown

AT = ("toy", "demo")
CASES = (
    (ablate, AblateOptions(*AT, steps="2,5", controls=3, noises=2)),
    (language, LanguageOptions(*AT, episode="0:3", max_steps=2, noises=3)),
    (drop_tokens, DropTokensOptions(*AT, episode="0:2", max_steps=2, scores=("random", "last layer"), timings=0)),
    (faithfulness, FaithfulnessOptions(*AT, episode="0:2", max_steps=2, points=3, methods=("last layer", "random"))),
)


@pytest.mark.parametrize(("study", "options"), CASES, ids=["ablate", "language", "drop-tokens", "faithfulness"])
def test_the_cost_that_is_told_is_about_what_is_done(study, options, tmp_path, monkeypatch):
    opened = Opened(ToyPolicy(), osc.open_episodes("demo"))
    lines, done = [], []
    counting = counting_forwards
    # The bar that would be shown, without the terminal.
    monkeypatch.setattr(
        "octoscope.studies.work_shown.counting_forwards",
        lambda update: counting(lambda count: (update(count), done.append(count))),
    )
    study(dataclasses.replace(options, output=tmp_path), opened=opened, tell=lambda *told: lines.extend(told))
    (told,) = [re.match(r"About ([\d,]+) forwards", line) for line in lines if line.startswith("About ")]
    assert told is not None
    assert int(told[1].replace(",", "")) == pytest.approx(sum(done), rel=0.2)
    lines.clear()
    study(dataclasses.replace(options, output=tmp_path), opened=opened, tell=lambda *told: lines.extend(told))
    # What lies there is read, which costs nothing.
    assert not any(line.startswith("About ") for line in lines)


class Policy:
    """Tells of its first batch itself."""

    @counted
    def act(self, inputs, noise, *, batch=2):
        forwards_done(batch)
        return np.zeros(len(inputs))


def test_forwards_are_counted_once_and_only_for_who_listens():
    counts: list[int] = []
    Policy().act([1, 2, 3], 0)
    with counting_forwards(counts.append):
        Policy().act([1, 2, 3, 4, 5], 0)
        Policy().act(inputs=[1, 2], noise=0)
    Policy().act([1], 0)
    assert counts == [2, 3, 2]


def test_nothing_is_told_of_no_work_and_a_bar_without_a_total_where_nobody_knows(capsys):
    lines: list[str] = []
    with work_shown(0, tell=lines.append, progress=True):
        pass
    with work_shown(None, tell=lines.append, progress=True):
        forwards_done(7)
    assert lines == []
    assert "7/7" in capsys.readouterr().err
