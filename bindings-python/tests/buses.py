"""Instances that share a bus and are not connected to each other."""

import time
from collections.abc import Callable

import pytest

import confmesh


def _wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def instances_on_one_bus_agree_and_the_status_names_it() -> None:
    with confmesh.Mesh(buses="memory://python") as one, confmesh.Mesh(buses=["memory://python"]) as other:
        one.set("limit", 7).wait()
        _wait(lambda: other.get("limit") == 7)
        other.set("name", "both").wait()
        _wait(lambda: one.get("name") == "both")
        (bus,) = one.status().wait()["buses"]
        assert (bus["url"], bus["state"], bus["instances"]) == ("memory://python", "connected", 1)
        assert one.health().wait()["status"] == "healthy"


def what_is_no_bus_is_refused_and_its_password_is_not_told() -> None:
    with pytest.raises(confmesh.UsageError) as caught:
        confmesh.Mesh(buses="amqp://ann:hunter2@127.0.0.1").start()
    assert "is no kind of bus" in str(caught.value) and "hunter2" not in str(caught.value)


def a_broker_that_is_not_there_degrades_and_names_the_reason() -> None:
    with confmesh.Mesh(buses="redis://127.0.0.1:1", found_after=50) as mesh:
        _wait(lambda: "last_error" in mesh.status().wait()["buses"][0])
        _wait(lambda: mesh.health().wait()["status"] == "degraded")
        mesh.set("limit", 1).wait()
        assert mesh["limit"] == 1
