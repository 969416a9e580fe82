"""The kept past of what instances share: listed, shown, compared, gone back to."""

from __future__ import annotations

from pathlib import Path

import pytest

import confmesh


def versions_are_listed_shown_compared_and_gone_back_to(tmp_path: Path) -> None:
    with confmesh.Mesh(data_dir=tmp_path / "data") as mesh:
        mesh.set("limit", 1, user="ann", message="to begin with").wait()
        mesh.set("limit", 2).wait()
        mesh.set("name", "x").wait()
        newest, middle, first = mesh.versions().wait()
        assert (newest["id"], first["changed"], first["count"]) == (3, ["limit"], 1)
        assert (first["writes"][0]["user"], first["writes"][0]["message"]) == ("ann", "to begin with")
        assert [one["id"] for one in mesh.versions(path="limit", limit=1).wait()] == [middle["id"]]
        assert [one["id"] for one in mesh.versions(before=2).wait()] == [1]
        shown = mesh.show_version("2").wait()
        assert mesh.show_version(2).wait() == shown, "a number as it is listed, too"
        assert (shown["document"], shown["version"]) == ({"limit": 2}, middle)
        assert shown["changes"] == [{"path": "limit", "op": "changed", "old": 1, "new": 2}]
        assert mesh.show_version(newest["name"]).wait()["version"]["id"] == 3
        compared = mesh.compare_versions("1").wait()
        assert compared == mesh.compare_versions(1).wait()
        assert mesh.compare_versions(1, after=middle["id"]).wait()["after"] == middle
        assert {one["path"] for one in compared["changes"]} == {"limit", "name"}
        assert compared["after"] is None
        told = mesh.rollback("1", dry_run=True).wait()
        assert (told["goes"][0]["path"], told["changes"][0]["new"], told["receipt"]) == ("name", 1, None)
        assert mesh.get("limit") == 2
        done = mesh.rollback(first["id"], pattern="limit", message="back").wait()
        assert done["receipt"] is not None
        assert done["receipt"]["changed"] == ["limit"]
        assert mesh.to_dict() == {"limit": 1, "name": "x"}
        assert mesh.versions(limit=1).wait()[0]["writes"][0]["message"] == "back"
    with confmesh.Mesh(data_dir=tmp_path / "data", history_versions=2) as mesh:
        mesh.set("limit", 3).wait()
        assert [one["id"] for one in mesh.versions().wait()] == [5, 4], "the past is there after a restart, within the budget"


def what_names_no_version_is_refused(tmp_path: Path) -> None:
    with confmesh.Mesh(history_versions=0) as mesh:
        mesh.set("limit", 1).wait()
        assert mesh.versions().wait() == []
        with pytest.raises(confmesh.UsageError):
            mesh.show_version("../x").wait()
        with pytest.raises(confmesh.Error) as found:
            mesh.rollback("1").wait()
        assert found.value.code == "not_found"
