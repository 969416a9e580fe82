"""Files as people have them: optional ones, directories and patterns, options, markers, and bound files with comments."""

import time
from collections.abc import Callable
from pathlib import Path

import confmesh


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
