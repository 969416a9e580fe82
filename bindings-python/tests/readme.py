"""The example of the README, run as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path


def the_example_of_the_readme_runs_as_printed(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "200 env:MYAPP\n<Change app.beta: false -> true>\n5\n"


def the_examples_of_the_project_readme_run_without_a_complaint(tmp_path: Path) -> None:
    readme = Path(os.environ["CONFMESH_VECTORS"]).parents[1] / "README.md"
    programs = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    assert len(programs) == 5
    printed = []
    for program in programs:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout)
    assert printed[0].startswith("rate_limit = 100\n")
    assert "app.yaml:1:1: ports below 1024 are for root (at `port`)" in printed[1]
    assert "required key is missing (at `url`)" in printed[1]
