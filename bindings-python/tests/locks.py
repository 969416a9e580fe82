"""Locks of a document: held, renewed, shown, written under, taken away."""

from __future__ import annotations

import pytest

import confmesh


def a_lock_keeps_others_from_writing_and_its_holder_writes_with_its_token() -> None:
    with confmesh.Mesh() as mesh:
        assert mesh.locks().wait() == {"locks": [], "authority": None}
        lock = mesh.lock("db.*", holder="ann", ttl_ms=20_000).wait()
        assert (lock["key"], lock["holder"]) == ("db.*", "ann")
        with pytest.raises(confmesh.Error) as found:
            mesh.set("db.host", "other").wait()
        assert found.value.code == "locked"
        mesh.set("db.host", "mine", fence=int(lock["token"])).wait()
        with pytest.raises(confmesh.Error) as found:
            mesh.lock("db.host", holder="ben").wait()
        assert "`ann`" in str(found.value)
        waiting = mesh.lock("db.host", holder="ben", wait_ms=20_000)
        renewed = mesh.renew_lock("db.*", lock["token"], lock["session"]).wait()
        assert renewed["token"] == lock["token"]
        mesh.release_lock("db.*", lock["token"], lock["session"]).wait()
        later = waiting.wait()
        assert int(later["token"]) > int(lock["token"])
        with pytest.raises(confmesh.Error) as found:
            mesh.set("db.host", "late", fence=int(lock["token"])).wait()
        assert found.value.code == "locked"
        assert [one["holder"] for one in mesh.locks_on("db.*").wait()["locks"]] == ["ben"]


def a_lock_is_taken_from_its_holder_with_a_reason_that_is_kept() -> None:
    with confmesh.Mesh() as mesh:
        mesh.lock("a", holder="ann").wait()
        with pytest.raises(confmesh.UsageError):
            mesh.force_release_lock("a", " ").wait()
        mesh.force_release_lock("a", "ann is away").wait()
        entries = [entry for entry in mesh.audit().wait() if entry["event"] == "lock_forced"]
        assert [(entry["holder"], entry["reason"]) for entry in entries] == [("ann", "ann is away")]
        assert mesh.take_lock_authority().wait()["epoch"] == 2


def a_time_that_no_lock_has_is_an_error_of_the_call() -> None:
    with confmesh.Mesh() as mesh, pytest.raises(confmesh.UsageError):
        mesh.lock("a", ttl_ms=1)
