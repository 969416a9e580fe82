"""Documents from elsewhere: `HTTPConfigLoader`, `EtagHTTPLoader`, `HashBasedLoader`; and `get_logger`."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from .. import _native
from .._errors import Error, IoError, NotFoundError
from .._live import Mesh
from .._live import open as open_config
from ._declared import BaseConfig, plain
from ._manager import called


class Logger:
    """A logger of `logging` that takes fields: they stand behind the message, and in the record under `fields`."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def debug(self, message: str, **fields: Any) -> None:
        """Something for whoever looks for a fault."""
        self._log(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Something that went as it should."""
        self._log(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Something that should be looked at."""
        self._log(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Something that failed."""
        self._log(logging.ERROR, message, fields)

    def _log(self, level: int, message: str, fields: dict[str, Any]) -> None:
        said = "".join(f" {name}={value}" for name, value in fields.items())
        self.logger.log(level, "%s%s", message, said, extra={"fields": fields})


def get_logger(name: str | None = None) -> Logger:
    """A logger whose methods take fields: `get_logger(__name__).info("loaded", config_name="app")`."""
    return Logger(logging.getLogger(name or "confmesh.compat"))


class HTTPConfigLoader:
    """Loads documents below a URL once, in every format that confmesh reads, by the content type of the answer.

    `auth` is a bearer token. A document that is not there is a `NotFoundError` at once; what may be otherwise the next
    time is tried again `max_retries` times, a second later, two, four.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 30,
        max_retries: int = 3,
        headers: Mapping[str, str] | None = None,
        auth: str | None = None,
        retry_delay: float = 1.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.max_retries = max_retries
        self.headers = dict(headers or {})
        if auth is not None:
            self.headers["Authorization"] = f"Bearer {auth}"
        self.retry_delay = retry_delay

    async def load(self, path: str) -> dict[str, Any]:
        """The document at a path."""
        for attempt in range(self.max_retries + 1):
            try:
                return await asyncio.to_thread(self._load, path)
            except NotFoundError:
                raise
            except Error as error:
                if error.code not in ("unreachable", "io") or attempt == self.max_retries:
                    raise
            await asyncio.sleep(self.retry_delay * 2**attempt)
        raise AssertionError("unreachable")

    def _load(self, path: str) -> dict[str, Any]:
        source: dict[str, Any] = {"source": self.base_url + path, "timeout": f"{round(self.timeout * 1000)}ms"}
        if self.headers:
            source["headers"] = self.headers
        with open_config(sources=source, watch=False) as config:
            return config.to_dict()


class EtagHTTPLoader:
    """Loads documents below a URL when they changed: the server is asked with the validator of the last good answer.

    Where it gives none, what it sent is compared.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._endpoints: dict[str, Mesh] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def load_if_changed(self, endpoint: str) -> tuple[dict[str, Any] | None, bool]:
        """The document and True, or None and False where it is what it was at the last call."""
        # One endpoint is asked by one at a time.
        async with self._asking.setdefault(endpoint, asyncio.Lock()):
            return await asyncio.to_thread(self._load, endpoint)

    def _load(self, endpoint: str) -> tuple[dict[str, Any] | None, bool]:
        mesh = self._endpoints.get(endpoint)
        if mesh is not None:
            answer = mesh.reload().wait()
            if answer["failed"]:
                raise _error(answer["failed"][0]["error"])
            return (mesh.to_dict(), True) if answer["changed"] else (None, False)
        mesh = Mesh(sources={"source": self.base_url + endpoint, "interval": "8760h"})
        mesh.start()
        try:
            for source in mesh.status().wait()["documents"][0]["sources"]:
                if source.get("error") is not None:
                    raise _error(source["error"])
        except BaseException:
            mesh.close()
            raise
        self._endpoints[endpoint] = mesh
        weakref.finalize(self, mesh.close)
        return mesh.to_dict(), True

    def close(self) -> None:
        """Forgets what was loaded; the garbage collector does so as well."""
        for mesh in self._endpoints.values():
            mesh.close()
        self._endpoints.clear()


def _error(problem: Mapping[str, Any]) -> Error:
    kind = NotFoundError if problem["code"] == "not_found" else IoError
    origin = problem.get("origin")
    text = f"{origin['source']}: {problem['message']}" if origin else problem["message"]
    return kind(text, code=problem["code"], message=problem["message"], hint=problem.get("hint"), origin=origin)


class HashBasedLoader:
    """Asks a loader, and tells whether what it gives has another hash; order of keys and blanks do not count."""

    def __init__(self, loader_func: Callable[[], Any]) -> None:
        self.loader_func = loader_func
        self._hashes: dict[str, str] = {}

    async def load_if_changed(self, config_key: str) -> tuple[Any, bool]:
        """What the loader gives and True, or None and False where it is what it was at the last call."""
        found = await called(self.loader_func)
        hash = _native.hash(plain(found) if isinstance(found, (BaseConfig, Mapping)) else found)
        if self._hashes.get(config_key) == hash:
            return None, False
        self._hashes[config_key] = hash
        return found, True
