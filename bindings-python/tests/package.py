"""The package as it is installed: the compiled module, its version and its types."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import confmesh


def the_module_reports_the_version_of_its_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", confmesh.version())
    assert confmesh.version() == confmesh.__version__ == metadata.version("confmesh")


def the_package_carries_its_types() -> None:
    folder = Path(confmesh.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (folder / "_native.pyi").is_file()


def every_exported_name_exists_and_is_documented() -> None:
    assert confmesh.__all__
    for name in confmesh.__all__:
        assert getattr(confmesh, name).__doc__, name


def the_package_carries_its_licences_and_where_it_comes_from() -> None:
    told = metadata.metadata("confmesh")
    assert {url.split(",")[0] for url in told.get_all("Project-URL") or []} >= {"Homepage", "Changelog", "Issues"}
    files = [str(file) for file in metadata.files("confmesh") or []]
    assert [name for name in files if name.endswith("LICENSE-MIT")], files
    assert [name for name in files if name.endswith("LICENSE-APACHE")], files


def importing_the_package_loads_nothing_that_takes_long() -> None:
    # Each of these is more than the package itself; models and event loops bring their own when they are used.
    slow = {"asyncio", "ssl", "inspect", "difflib", "dataclasses", "decimal", "importlib.resources", "pydantic", "attrs", "attr", "msgspec"}
    program = "import sys; before = set(sys.modules); import confmesh; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "confmesh._native" in loaded and not loaded & slow, loaded & slow
