"""The house: public names, documented commands, no addresses of machines or registries, no test that cannot fail."""

import ast
import inspect
import re
import subprocess
from pathlib import Path

import pytest

import octoscope as osc

ROOT = Path(__file__).parents[1]


def test_public_names_all_load():
    for name in osc.__all__:
        assert getattr(osc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = osc.nothing


def test_every_public_name_is_documented():
    text = (ROOT / "docs" / "python.md").read_text()
    assert [name for name in osc.__all__ if f"`{name}`" not in text] == []


def test_every_path_may_be_text():
    for name in osc.__all__:
        public = getattr(osc, name)
        functions = [public, *(each for key, each in inspect.getmembers(public, callable) if key[0] != "_")]
        for function in functions if inspect.isclass(public) else [public]:
            hints = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__annotations__", {})
            alone = [argument for argument, hint in hints.items() if hint is Path and argument != "return"]
            assert alone == [], (name, function)


def test_the_first_example_of_the_docs_runs():
    text = (ROOT / "docs" / "python.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert example is not None
    names: dict = {}
    exec(example[1], names)
    assert names["sheet"].shape[2] == 3


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    commands = "demo episodes attend layout doctor convert runs shares words heads ablate faithfulness maps encodings drop-tokens cnn"
    for command in (*commands.split(), "language", "report"):
        assert f"octoscope {command}" in readme


def test_files_are_small_and_name_no_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if not path.is_file():
            continue
        assert path.stat().st_size < 5_000_000, name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".ipynb", ".json"}:
            assert not re.search(r"/(work|tmp|root|home)/\w", path.read_text(errors="ignore")), name


def test_no_assertion_has_its_comparison_for_a_message():
    """`assert a, b == c` asserts that `a` is true: the comma makes the comparison its message. Ruff finds the other kinds."""
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Compare | ast.BoolOp)
    ]
    assert wrong == []


def test_type_checkers_see_the_names_that_are_there():
    """The stub is where names are read from; a checker takes only what is imported under its own name once more, or assigned."""
    folder = Path(osc.__file__).parent
    assert (folder / "py.typed").is_file()
    stub = ast.parse((folder / "__init__.pyi").read_text())
    imports = [alias for line in stub.body if isinstance(line, ast.ImportFrom) for alias in line.names]
    assigned = {line.value.id: line.targets[0].id for line in stub.body if isinstance(line, ast.Assign)}
    assert all(alias.asname == alias.name or alias.name in assigned for alias in imports)
    seen = {assigned.get(alias.name, alias.name) for alias in imports}
    assert seen == set(osc.__all__)
    assert len(seen) >= 125
    assert assigned["render_attention_sheet"] == "render_sheet"
    assert osc.render_sheet.__name__ == "render_attention_sheet"
