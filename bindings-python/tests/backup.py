"""Backups of an instance, and what comes back from them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

import confmesh


def an_instance_is_backed_up_and_comes_back_as_another_one(tmp_path: Path) -> None:
    with confmesh.Mesh(data_dir=tmp_path / "data") as mesh:
        mesh.set("limit", 1).wait()
        backup = mesh.backup().wait()
        was = mesh.status().wait()["instance_id"]
    assert backup["documents"] == ["default"]
    file = tmp_path / "a.backup"
    file.write_bytes(base64.b64decode(backup["data"]))
    restored = confmesh.restore(tmp_path / "other", file)
    assert (restored["kept"], restored["backup"]["made"]) == (None, backup["made"])
    with confmesh.Mesh(data_dir=tmp_path / "other") as mesh:
        assert mesh.get("limit") == 1
        assert mesh.status().wait()["instance_id"] != was
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(confmesh.Error, match=r"a\.backup"):
        confmesh.restore(tmp_path / "other", file, force=True)
