"""The class of the documents that the examples load from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ._declared import BaseConfig, field, needed_attrs
from ._loading import get_logger

logger = get_logger("confmesh.compat")


@needed_attrs().define
class RemoteAppConfig(BaseConfig):
    """What an application takes from elsewhere; every field is required."""

    api_url: str = field(description="where the API is")
    timeout_seconds: int = field(description="how long a request may take")
    max_retries: int = field(description="how often a request is tried again")
    enable_caching: bool = field(description="whether answers are kept")
    debug_mode: bool = field(description="whether more is said")

    if TYPE_CHECKING:
        # What attrs makes.
        __attrs_attrs__: ClassVar[Any]
        __attrs_own_setattr__: ClassVar[Any]
        __attrs_props__: ClassVar[Any]
        __match_args__: ClassVar[tuple[()]]

        def __init__(
            self, *, api_url: str, timeout_seconds: int, max_retries: int, enable_caching: bool, debug_mode: bool
        ) -> None: ...


async def validate_config_consistency(config: Any) -> bool:
    """Whether a configuration has an `api_url` of HTTP with a host, and `timeout_seconds` from 1 to 300; the log says what not."""
    from urllib.parse import urlsplit

    url, seconds = getattr(config, "api_url", None), getattr(config, "timeout_seconds", None)
    if not url:
        logger.error("Configuration missing required api_url")
        return False
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        logger.error(f"Invalid API URL format: {url}")
        return False
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= 300:
        logger.error(f"Timeout out of range: {seconds}")
        return False
    return True
