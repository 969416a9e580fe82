"""Managers for the ways that instances are run, from options, variables and presets; and the log's level."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from .. import _native
from .._errors import Error, InputError
from ._syncing import ConfigSyncManager

_PREFIX = "AICLEANER"

# Options by the names of the addon. Text is read as the type.
_OPTIONS = _native.Schema(
    {
        "fields": {
            "sync_port": {"type": "int", "min": 1, "max": 65535},
            "peer_urls": {"type": "list", "items": {"type": "string"}},
            "enable_sync_server": "bool",
            "instance_id": "string",
            "max_versions": {"type": "int", "min": 0},
            "rate_limit_requests_per_minute": {"type": "int", "min": 1},
            "rate_limit_block_duration": {"type": "int", "min": 1},
            "rate_limit_whitelist_local": "bool",
        },
        "strict": True,
    }
)

_VARIABLES = {
    "sync_port": "SYNC_PORT",
    "peer_urls": "SYNC_PEERS",
    "enable_sync_server": "SYNC_ENABLE_SERVER",
    "instance_id": "INSTANCE_ID",
}

_PRESETS: dict[str, dict[str, Any]] = {
    "single": {"enable_sync_server": False, "max_versions": 10},
    "addon": {"enable_sync_server": False, "max_versions": 10},
    "development": {"enable_sync_server": True, "max_versions": 50},
    "production": {"enable_sync_server": True, "max_versions": 20},
}


def validate_sync_config(config: Mapping[str, Any]) -> list[str]:
    """What is wrong with options, each with its name; nothing where they are as they should be.

    Text is read as the type of the option: `"8765"`, `"true"`, `"ws://a/sync,ws://b/sync"`.
    """
    return [error.message for error in _read(config)[1]]


def _read(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Error]]:
    texts = {f"OPTION_{name.upper()}": text for name, text in config.items() if isinstance(text, str)}
    plain = _OPTIONS.coerce("OPTION", texts)
    found = {**{name: value for name, value in config.items() if not isinstance(value, str)}, **plain["value"]}
    errors = [InputError(f"{error.message} (at `{error.path}`)", code="type", path=error.path) for error in plain["warnings"]]
    for error in _OPTIONS.validate(found):
        place = f" (at `{error.path}`)" if error.path else ""
        errors.append(InputError(f"{error.message}{place}", code=error.code, path=error.path))
    for url in found["peer_urls"] if isinstance(found.get("peer_urls"), list) else ():
        if not str(url).startswith(("ws://", "wss://")):
            errors.append(InputError(f"`{url}` is no address of a peer: write `ws://` or `wss://` (at `peer_urls`)", code="invalid"))
    return found, list(errors)


def create_single_instance_sync(
    config_path: str | os.PathLike[str], config_base_dir: str | os.PathLike[str]
) -> ConfigSyncManager:
    """A manager that talks to nobody: it follows its file and keeps versions. It has no socket, whatever variables say."""
    preset = _PRESETS["single"]
    return ConfigSyncManager(config_path, config_base_dir, history_versions=preset["max_versions"])


def create_ha_addon_sync(
    config_path: str | os.PathLike[str],
    config_base_dir: str | os.PathLike[str],
    addon_options: Mapping[str, Any] | None = None,
) -> ConfigSyncManager:
    """A manager for an addon of Home Assistant: without a server and peers unless its options or variables say otherwise."""
    return create_sync_manager_from_config(config_path, config_base_dir, "addon", addon_options)


def create_development_sync(
    config_path: str | os.PathLike[str], config_base_dir: str | os.PathLike[str]
) -> ConfigSyncManager:
    """A manager that listens on port 8765 of this machine."""
    return create_sync_manager_from_config(config_path, config_base_dir, "development")


def create_sync_manager_from_config(
    config_path: str | os.PathLike[str],
    config_base_dir: str | os.PathLike[str],
    deployment_type: str = "addon",
    config: Mapping[str, Any] | None = None,
    *,
    auth: str | os.PathLike[str] | None = None,
    **given: Any,
) -> ConfigSyncManager:
    """A manager for a way to run: what is given here beats `AICLEANER_*` variables, those `config`, that the preset.

    In `production` there has to be a file `auth`, as `confmesh token` writes it.
    """
    preset = _PRESETS.get(deployment_type)
    if preset is None:
        hint = f"they are {', '.join(_PRESETS)}"
        raise InputError(f"`{deployment_type}` is no way to run", code="invalid", hint=hint)
    found, errors = _read(config or {})
    ours, others = _read(_from_environment())
    more, last = _read(given)
    problems = [*errors, *others, *last]
    if problems:
        problems[0].related = problems[1:]
        raise problems[0]
    options = {**preset, **found, **ours, **more}
    if deployment_type == "production" and auth is None:
        hint = "write one with `confmesh token new NAME --auth FILE`, and give `auth`"
        raise InputError("in production everybody has to show a token, and no file says whose", code="usage", hint=hint)
    return ConfigSyncManager(
        config_path,
        config_base_dir,
        sync_port=options.get("sync_port", 8765),
        peer_urls=options.get("peer_urls", ()),
        enable_server=options["enable_sync_server"],
        instance_id=options.get("instance_id"),
        history_versions=options["max_versions"],
        auth=auth,
    )


def _from_environment() -> dict[str, str]:
    found = ((option, os.environ.get(f"{_PREFIX}_{name}")) for option, name in _VARIABLES.items())
    return {option: text for option, text in found if text}


def setup_sync_logging(level: str | int | None = None) -> None:
    """Sets what the log of confmesh says: `level`, else `AICLEANER_LOG_LEVEL`, else INFO; at once, also while it runs.

    A handler is added only where none would hear it.
    """
    wanted = os.environ.get(f"{_PREFIX}_LOG_LEVEL") or "INFO" if level is None else level
    logger = logging.getLogger("confmesh")
    known = logging.getLevelName(wanted.upper()) if isinstance(wanted, str) else wanted
    if not isinstance(known, int):
        raise InputError(f"`{wanted}` is no level", code="invalid", hint="they are DEBUG, INFO, WARNING, ERROR")
    logger.setLevel(known)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
