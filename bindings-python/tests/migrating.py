"""The page `docs/migrating.md`: what stood before and what stands after print the same, with the libraries themselves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_PAGE = (Path(os.environ["CONFMESH_VECTORS"]).parents[1] / "docs" / "migrating.md").read_text("utf-8")


def _files(section: str) -> dict[str, str]:
    """The files of a section: blocks whose first line names one."""
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", _PAGE, re.DOTALL | re.MULTILINE)
    return {name: content for name, content in re.findall(r"^```\w+ (\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)}


@pytest.mark.parametrize(
    ("section", "variables", "printed"),
    [
        ("dynaconf", {"SHOP_DATABASE__PORT": "6000"}, "shop 500 db.internal 6000"),
        ("pydantic-settings", {"SHOP_DATABASE__PORT": "6000"}, "shop localhost 6000"),
        ("OmegaConf", {}, "shop 6000 localhost:6000"),
    ],
)
def both_sides_of_a_move_print_the_same(tmp_path: Path, section: str, variables: dict[str, str], printed: str) -> None:
    files = _files(section)
    for name, content in files.items():
        (tmp_path / name).write_text(content, "utf-8")
    for program in ("before.py", "after.py"):
        assert program in files
        done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=os.environ | variables)
        assert (done.returncode, done.stdout.strip()) == (0, printed), done.stderr
    assert f"`{printed}`" in _PAGE
