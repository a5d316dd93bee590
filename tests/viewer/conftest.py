"""Runs, a server over them, and one browser for all tests of the page."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hand_made_runs import hand_made_run, random_weights
from octoscope.viewer.served_runs import ServedRuns
from octoscope.viewer.server import PageServer

NASTY = 'push <!--<script>alert(1)</script> "ball" & <img src=x onerror=alert(2)>'


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory) -> Path:
    """Two runs of the same tokens with other weights, and one whose words are an attack."""
    folder = tmp_path_factory.mktemp("viewed")
    frames = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), np.uint8)
    masks = np.zeros((6, 32, 32), np.uint8)
    masks[:, 4:12, 18:30] = 3
    targets = (np.full(6, 3, np.uint8), ("time",))
    hand_made_run(store=folder / "a.zarr", steps=6, frames=frames, masks=masks, targets=targets)
    hand_made_run(
        lambda visible, step: random_weights(visible, step + 100), store=folder / "b.zarr", steps=6, frames=frames
    )
    hand_made_run(
        store=folder / "nasty.zarr",
        steps=3,
        told={"instruction": NASTY, "policy": NASTY},
        query_groups=["readout_action"],
    )
    return folder


@pytest.fixture(scope="session")
def server(runs_folder):
    """The page over them."""
    served = PageServer(ServedRuns([runs_folder]))
    served.begin()
    yield served
    served.shutdown()
    served.server_close()


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium; tests are skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()
