"""Notebooks run from top to bottom, and are committed without outputs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# In a process of its own: Jupyter's warnings are not ours.
_EXECUTE = (
    "import sys, nbformat, nbclient;"
    "notebook = nbformat.read(sys.argv[1], as_version=4);"
    "nbclient.NotebookClient(notebook, timeout=600, kernel_name='python3').execute();"
    "nbformat.write(notebook, sys.argv[2])"
)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook, tmp_path):
    command = [sys.executable, "-c", _EXECUTE, str(notebook), str(tmp_path / "out.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stripped(notebook):
    for cell in json.loads(notebook.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
