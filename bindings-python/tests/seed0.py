"""The two examples that the project started from, as a Python program writes them."""

import json
from pathlib import Path

import pytest

import confmesh


def environment_beats_overrides_beat_the_file_also_after_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, overrides = tmp_path / "config.json", tmp_path / "overrides.json"
    config.write_text(
        json.dumps({"feature_enabled": False, "rate_limit": 100, "timeout_ms": 5000, "api_version": "v1"}, indent=2)
    )
    overrides.write_text(json.dumps({"rate_limit": 200, "timeout_ms": 10000}, indent=2))
    monkeypatch.setenv("MYAPP_FEATURE_ENABLED", "true")
    monkeypatch.setenv("MYAPP_API_VERSION", "v2")

    with confmesh.open([config, overrides], env_prefix="MYAPP") as cfg:
        want = {"feature_enabled": True, "rate_limit": 200, "timeout_ms": 10000, "api_version": "v2"}
        assert cfg.to_dict() == want
        provenance = cfg.provenance
        assert provenance["feature_enabled"] == provenance["api_version"] == "env:MYAPP"
        assert provenance["rate_limit"] == provenance["timeout_ms"]
        assert provenance["rate_limit"].startswith("file:") and provenance["rate_limit"].endswith("overrides.json")
        assert cfg.explain("rate_limit").others[0]["value"] == 100

        changes = cfg.subscribe("*")
        overrides.write_text(
            json.dumps({"rate_limit": 500, "timeout_ms": 15000, "feature_enabled": False}, indent=2)
        )
        assert {change.path for _, change in zip(range(2), changes)} == {"rate_limit", "timeout_ms"}
        assert cfg.to_dict() == {**want, "rate_limit": 500, "timeout_ms": 15000}
        assert cfg.provenance == provenance
        hidden = cfg.explain("feature_enabled").others[0]
        assert (hidden["source"], hidden["value"], hidden["state"]) == (provenance["rate_limit"], False, "overridden")


def maps_of_base_environment_and_local_are_united_by_rule() -> None:
    base = {
        "database_url": "sqlite:///base.db",
        "cache_enabled": True,
        "worker_pool_size": 4,
        "feature_toggles": {"feature_a": False, "feature_b": True},
        "rate_limits": {"api": 100, "uploads": 10},
    }
    environment = {
        "database_url": "postgres://prod-db:5432/myapp",
        "worker_pool_size": 8,
        "feature_toggles": {"feature_a": True, "feature_c": True},
        "rate_limits": {"api": 1000},
    }
    local = {"cache_enabled": False, "feature_toggles": {"debug_mode": True}, "rate_limits": {"debug": 5}}
    merged = confmesh.merge(
        [
            {"id": "base", "priority": 30, "strategy": "override", "value": base},
            {"id": "environment", "priority": 20, "strategy": "override", "value": environment},
            {"id": "local", "priority": 10, "strategy": "override", "value": local},
        ],
        rules=[
            {"pattern": "feature_toggles", "merge": "merge_dict"},
            {"pattern": "rate_limits", "merge": "merge_dict"},
        ],
    )
    assert merged.value == {
        "database_url": "postgres://prod-db:5432/myapp",
        "cache_enabled": False,
        "worker_pool_size": 8,
        "feature_toggles": {"feature_a": True, "feature_b": True, "feature_c": True, "debug_mode": True},
        "rate_limits": {"api": 1000, "uploads": 10, "debug": 5},
    }
    provenance = merged.provenance
    assert provenance["cache_enabled"] == "local"
    assert provenance["worker_pool_size"] == provenance["database_url"] == "environment"
    assert provenance["feature_toggles"] == provenance["rate_limits"] == "base+environment+local"
    assert [len(local), len(environment), len(base)] == [3, 4, 5]
