"""`octoscope trends --by policy` over two captured collections: the head that was changed is found, and nothing else."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octoscope.cli.main import main
from octoscope.runs.findings.find_findings import find_findings
from octoscope.runs.findings.finding_folder import read_finding
from octoscope.studies.capture import capture
from octoscope.studies.opening import Opened
from octoscope.studies.options.capture import CaptureOptions
from octoscope.studies.trends import TREND
from tiny_policies import tiny_episode

BLOCK = ("octo_transformer", "BlockTransformer_0", "Transformer_0", "encoderblock_1", "MultiHeadDotProductAttention_0")
WORDS = ("push the ball", "push ball", "the ball", "ball", "push the", "push", "the", "ball push", "the ball push")


def with_even_head(params, head):
    """The same parameters, but that a head of the last layer asks for nothing, and so looks at everything alike."""

    def changed(tree, path):
        if not path:
            return {
                name: np.concatenate(
                    [array[..., :head, :], 0 * array[..., [head], :], array[..., head + 1 :, :]], axis=-2
                )
                for name, array in ((name, np.asarray(array)) for name, array in tree.items())
            }
        return {**tree, path[0]: changed(tree[path[0]], path[1:])}

    return changed(params, (*BLOCK, "query"))


@pytest.fixture(scope="module")
def collections(opened, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    dataclasses.replace(opened.model, params=with_even_head(opened.model.params, 1)).save_pretrained(folder / "policy")
    other = osc.OctoModel.load_pretrained(folder / "policy")
    episodes = [
        dataclasses.replace(tiny_episode(("primary", "wrist"), instruction=words, seed=seed), name=f"tiny/{seed}")
        for seed, words in enumerate(WORDS)
    ]
    for name, model in (("first", opened.model), ("second", other)):
        options = CaptureOptions(name, "tiny", steps="2,3", precision="float32", output=folder / name)
        assert capture(options, opened=Opened(model, episodes)).ok
    return folder


def test_the_planted_difference_is_found_and_nothing_else(collections, tmp_path, capsys):
    first, second = str(collections / "first"), str(collections / "second")
    main(["trends", first, second, "--by", "policy", "--shuffles", "20", "-o", str(tmp_path)])
    (path,) = [each.path for each in find_findings(tmp_path) if each.path.parent.name == TREND.name]
    trend = read_finding(path, TREND)
    found = {trend.cells[trend.cell[at]][2:] for at in np.flatnonzero(trend.found)}
    assert found == {(1, 1)}
    entropy = trend.measure == trend.measures.index("relative entropy")
    at = next(at for at in np.flatnonzero(entropy & trend.found) if trend.cells[trend.cell[at]][1] == "readout_action")
    # Even attention has all the entropy that there is.
    assert trend.estimate[at] > 0
    assert trend.tasks[at] == len(WORDS)
    elsewhere = np.array([trend.cells[cell][2:] != (1, 1) for cell in trend.cell])
    np.testing.assert_allclose(np.nan_to_num(trend.estimate[elsewhere]), 0.0, atol=1e-6)
    assert "were found" in capsys.readouterr().out
