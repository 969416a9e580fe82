"""Files as people have them: optional ones, directories and patterns, options, markers, and bound files with comments."""

import ast
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import confmesh
import pytest


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def optional_files_patterns_and_options_are_layers_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("n: 0\ngone: 1\ndb: {host: h, port: 1}\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "20.yaml").write_text("n: 20\n")
    (tmp_path / "conf.d" / "10.yaml").write_text("n: 10\ngone: !unset\n")
    (tmp_path / ".env").write_text("DB__PORT=2\n")
    (tmp_path / "rc").write_text('{"rc": true} // ours\n')
    files = ["base.yaml", "conf.d/*.yaml;unset", "local.yaml;optional", ".env", "rc;format=jsonc"]
    with confmesh.open([f"{tmp_path}/{file}" for file in files]) as config:
        assert config.to_dict() == {"n": 20, "db": {"host": "h", "port": 2}, "rc": True}
        (tmp_path / "conf.d" / "30.yaml").write_text("n: 30\n")
        _until(lambda: config["n"] == 30)
        (tmp_path / "local.yaml").write_text("local: 1\n")
        _until(lambda: config.get("local") == 1)


def bound_files_keep_comments_and_nest(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("# db\nDB__HOST=h # where\n")
    with confmesh.Mesh(bind=env) as mesh:
        _until(lambda: mesh.get("DB.HOST") == "h")
        mesh.set("DB.HOST", "g").wait()
        _until(lambda: env.read_text() == "# db\nDB__HOST=g # where\n")
    file = tmp_path / "app.json"
    file.write_text('{"a": 1}\n')
    with confmesh.Mesh(bind=file) as mesh:
        _until(lambda: mesh.get("a") == 1)
        file.write_text('{\n  "a": 2, // two\n}\n')
        _until(lambda: mesh.get("a") == 2)
        mesh.set("a", 3).wait()
        _until(lambda: file.read_text() == '{\n  "a": 3, // two\n}\n')


def resources_of_packages_are_files_also_in_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("ours/__init__.py", "")
        zipped.writestr("ours/defaults.yaml", "limit: 1\ndeep: {on: true}\n")
    (tmp_path / "site.yaml").write_text("limit: 2\n")
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "import importlib.resources as resources, os, confmesh\n"
        "defaults = resources.files('ours') / 'defaults.yaml'\n"
        f"with confmesh.open([defaults, {str(tmp_path / 'site.yaml')!r}]) as config:\n"
        "    print(config.to_dict())\n"
        "    unpacked = [c['source'] for c in config.explain('limit').others]\n"
        "with confmesh.open(defaults) as config: print(config['limit'])\n"
        "with confmesh.Mesh(files=defaults) as mesh: print(mesh['deep.on'])\n"
        "print(unpacked, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "{'deep': {'on': True}, 'limit': 2}\n1\nTrue\n"), done.stderr
    assert "defaults.yaml" in done.stderr
    (unpacked,) = ast.literal_eval(done.stderr)
    assert not Path(unpacked.removeprefix("file:")).exists(), "what was unpacked is removed at the exit"


def one_file_and_one_address_stand_for_themselves(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"rate_limit": 1, "db": {"host": "h"}}')
    with confmesh.Mesh(listen="127.0.0.1:0") as one, confmesh.Mesh(files=str(file), peers=f"ws://{one.addresses[0]}") as other:
        assert other["rate_limit"] == 1
        other.set("shared", True).wait()
        _until(lambda: one.get("shared") is True)


def a_misspelt_path_is_an_error_that_names_the_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"rate_limit": 1, "db": {"host": "h", "a.b": 1}, "ports": [1]}')
    with confmesh.open(file) as config:
        for path, hint in {"rate_limt": "`rate_limit`", "db.hosst": "`db.host`", r"db.a\.c": r"`db.a\.b`"}.items():
            with pytest.raises(KeyError) as caught:
                config[path]
            assert isinstance(caught.value, confmesh.NotFoundError) and caught.value.hint == f"did you mean {hint}?"
        for path in ("zzz", "db.zzz", "ports.7", "none.at.all"):
            with pytest.raises(confmesh.NotFoundError) as nothing:
                config[path]
            assert nothing.value.hint is None
