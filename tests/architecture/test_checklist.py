"""The table of the contract: each test that it names exists, and runs with all the others."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NAMED = sorted(set(re.findall(r"`([a-z_/]+\.py)::(test_\w+)`", (TESTS / "README.md").read_text())))


def test_the_table_names_tests() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists_and_runs(file: str, name: str) -> None:
    assert Path(file).name.startswith("test_")
    tree = ast.parse((TESTS / file).read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert len(found) == 1
    marks = [ast.unparse(mark) for mark in found[0].decorator_list]
    assert not [mark for mark in marks if re.search(r"mark\.(skip|skipif|xfail|long)\b", mark)]
