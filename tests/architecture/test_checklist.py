"""The table of the contract: each test that it names exists, and runs with all the others."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TABLE = (TESTS / "README.md").read_text()
NAMED = sorted(set(re.findall(r"`([a-z_/]+\.py)::((?:Test\w+::)?test_\w+)`", TABLE)))
ROWS = re.findall(r"^\| (\d) \| ([^|]+) \| (.+) \|$", TABLE, re.MULTILINE)


def test_every_section_has_rows_and_every_row_a_test() -> None:
    assert {section for section, _, _ in ROWS} == set("12345")
    assert [promise for _, promise, tests in ROWS if "::test_" not in tests] == []
    assert len(ROWS) == len({promise for _, promise, _ in ROWS})


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists_and_runs(file: str, name: str) -> None:
    assert Path(file).name.startswith("test_")
    tree = ast.parse((TESTS / file).read_text())
    among, marks = tree.body, [ast.unparse(one) for one in tree.body if isinstance(one, ast.Assign)]
    *classes, name = name.split("::")
    for wanted in classes:
        (found,) = (one for one in among if isinstance(one, ast.ClassDef) and one.name == wanted)
        among = found.body
        marks += [ast.unparse(mark) for mark in found.decorator_list]
    tests = [one for one in among if isinstance(one, ast.FunctionDef) and one.name == name]
    assert len(tests) == 1
    marks += [ast.unparse(mark) for mark in tests[0].decorator_list]
    assert not [mark for mark in marks if re.search(r"mark\.(skip|skipif|xfail|long)\b", mark)]
