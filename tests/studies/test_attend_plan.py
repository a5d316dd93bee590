"""What is planned of an episode before any work: what must be said of actions and of their units."""

import dataclasses

from octoscope.policies.episode_plan import BindOptions
from octoscope.studies.attend_episode import EpisodeJob
from octoscope.studies.options.attend import AttendOptions


def test_actions_that_stay_normalised_are_told(demo_model, demo_episode):
    job = EpisodeJob(demo_model, AttendOptions("drawn", "drawn"), BindOptions())
    assert not any("normalised" in remark for remark in job.plan(demo_episode).remarks)
    (remark,) = job.plan(dataclasses.replace(demo_episode, dataset="drawn_tabel")).remarks
    assert remark.startswith("Actions are normalised, not in the robot's units. The policy has no action statistics of")
    assert "Did you mean 'drawn_table'" in remark
