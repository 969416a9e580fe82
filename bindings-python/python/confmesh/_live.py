"""Running configurations: `Config` for one process, `Mesh` for several that agree."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from . import _native
from ._errors import UsageError
from ._operations import _Operations
from ._options import check_callable, checked
from ._pending import Pending
from ._paths import Path, paths_of
from ._reader import _M, _Reader
from ._sources import Given, finished
from ._sources import given as given_sources
from ._variables import Changed, VariableWatch

if TYPE_CHECKING:
    from ._native import Live, Schema
    from ._types import Adoption, Receipt, Rule, Status

class Config(_Reader, Generic[_M]):
    """A configuration of this process: files, environment, and what the program sets. Made by `open`.

    After a fork the child opens it anew at its first use, and sets again what the program had set.
    """

    _survives_fork = True

    def __init__(self, start: Callable[[], Live]) -> None:
        self._start = start
        self._own: dict[str, Any] | None = None
        self._opening = threading.Lock()
        self._run(start())

    def _absent(self) -> Live:
        with self._opening:
            if self._started is None:
                live = self._start()
                if self._own:
                    live.set_again(self._own)
                self._run(live)
            assert self._started is not None
            return self._started

    def _before_fork(self) -> None:
        if self._started is not None:
            self._own = self._started.own()

    def _stayed_behind(self) -> None:
        super()._stayed_behind()
        self._opening = threading.Lock()

    @property
    def model(self) -> _M:
        """The document as the `model` that it was opened with: one object of one moment, until something changes."""
        model: _M = super().model
        return model

    @checked
    def set(self, path: str, value: Any) -> Receipt:
        """Sets a path for this process; it wins over every other source."""
        return Pending["Receipt"](self._live.set(path, value)).wait()

    def unset(self, path: str) -> Receipt:
        """Takes back what `set` did at a path."""
        return Pending["Receipt"](self._live.unset(path)).wait()

    def status(self) -> Status:
        """How the sources are doing."""
        return Pending["Status"](self._live.status()).wait()

    def __repr__(self) -> str:
        return f"<Config at revision {self.revision}>"


@checked
def open(
    files: Path | Iterable[Path] = (),
    *,
    env_prefix: str | None = None,
    rules: Sequence[Rule] | None = None,
    watch: bool = True,
    schema: Schema | Mapping[str, Any] | None = None,
    profiles: str | Iterable[str] = (),
    interpolate: bool | Iterable[str] = False,
    model: type[_M] | None = None,
    sources: Given | Iterable[Given] = (),
    data_dir: str | os.PathLike[str] | None = None,
    check_within: int = 5_000,
    encrypt_key_file: str | os.PathLike[str] | None = None,
    invalid_variables: Literal["refuse", "ignore"] = "refuse",
) -> Config[_M]:
    """Opens configuration files; a later one wins over an earlier one, variables of `env_prefix` over all of them.

    A file is a path, or a resource of a package (`importlib.resources.files("app") / "defaults.yaml"`). They are watched unless `watch` is false: an edit shows at once, and a broken one changes nothing. With a `schema`
    (a `Schema` or its definition) its defaults hold where no file says anything, variables take its types, and what it
    refuses never comes into force. `profiles` are active maps below the key `profiles` of each file, the later one wins;
    `interpolate` replaces `${path}` in texts, and `${env:NAME}` of the variables that it lists (`["HOST", "APP_*"]`). A `model`, in the place of a schema, is what `extract` takes:
    what it refuses never comes into force, and `Config.model` is the document as it.

    `sources` are more of them: `"https://config.example/app;interval=10s"`, `"exec:COMMAND"`, `"env:PREFIX"`, a dict with `source`
    and the options, an object with `load()` (plain or `async`), or a function. Their last good documents are kept in `data_dir`,
    and those that hold secrets only where `encrypt_key_file` (`confmesh key new`) seals them.

    The checks of a `Schema` or `model` run on a thread of their own and have `check_within` milliseconds to answer: what would come into
    force waits for them, and nothing else does. Without an answer `set` raises, and what came from elsewhere is held back until there is one.
    `invalid_variables` says whether variables that are nothing of their type are refused, or left out with a warning.
    """
    schema = _schema(schema, model)
    given = paths_of(files)
    others = given_sources(sources)
    active = [profiles] if isinstance(profiles, str) else list(profiles)
    names = _env_names(interpolate)

    def start() -> Live:
        return _native.open_files(
            given,
            sources=others,
            data_dir=data_dir,
            encrypt_key_file=encrypt_key_file,
            env_prefix=env_prefix,
            rules=rules,
            watch=watch,
            schema=schema,
            check_within=check_within,
            invalid_variables=invalid_variables,
            profiles=active,
            interpolate=interpolate is not False,
            env_names=names,
        )

    config: Config[_M] = Config(start)
    config._model = model
    return config


def _env_names(interpolate: bool | Iterable[str]) -> list[str]:
    if isinstance(interpolate, bool):
        return []
    return [interpolate] if isinstance(interpolate, str) else list(interpolate)


def _schema(schema: Schema | Mapping[str, Any] | None, model: type[Any] | None) -> Schema | Mapping[str, Any] | None:
    if model is None:
        return schema
    if schema is not None:
        raise UsageError("`model` and `schema` say the same thing", code="usage", hint="leave one of them out")
    from . import _models

    return _models.schema_of(model)


@checked
def watch_variables(
    names: str | Iterable[str], callback: Callable[[Changed], object], *, interval: float = 1.0
) -> VariableWatch:
    """Follows variables of `os.environ`: `callback({name: (old, new)})` once for all that changed between two looks.

    A variable that is not set is `None`, which is not the same as empty. What they are at the call is no change. The
    callback may be `async`, and runs on a thread of its own. Variables of another process cannot be seen: let it write a
    `.env` file, and follow that with `open(".env")`.
    """
    return VariableWatch([names] if isinstance(names, str) else list(names), callback, interval)


_running: set[Mesh[Any]] = set()
_Started = TypeVar("_Started", bound="Mesh[Any]")


class Mesh(_Operations, Generic[_M]):
    """An instance whose document agrees with that of its peers. Use `async with`, `with`, or `start()` and `close()`.

    `bind` is the file that mirrors the shared document, both ways; `files` lie below it and are only read. `listen` is
    `host:port`, `peers` are `wss://host:port` (`ws://` on this machine), and `data_dir` keeps the document over restarts. Pages of `allow_origins` (`https://app.example`,
    `http://localhost:*`) may follow and change the document from a browser; `allow_hosts` are names with a domain that the
    instance is called by. `schema`, `profiles`,
    `interpolate`, `model`, `check_within`, `invalid_variables` and `sources` are those of `open`; what other instances write against the schema is held back until it is mended.

    Who may do what stands in the file `auth`, which `confmesh token` writes and which is taken while it runs; without one only
    this machine can connect. `tls_cert` and `tls_key` (PEM) make it speak TLS, unless it is `behind_proxy`; certificates
    that `tls_client_ca` signed may stand for tokens. To peers it shows the token in `token_file` (or `token`), and trusts
    `tls_ca`, or the system's certificates. `buses` are brokers at which instances meet that are not connected:
    `redis://host:port?key-file=FILE`.

    Times are in milliseconds, as for the command: how long a new instance waits for its peers before it goes on alone
    (`found_after`), how long a document has to be in use until it never gives way to another one by itself (`old_after`), and
    after how long without being in step with another instance, or with a source that stays broken, this one is not ready
    (`stale_after`; never). With `settle` a document that begins here drops its history once every instance has it.

    Of the past of what is shared it keeps `history_versions` versions (10,000; 0: none), for `history_age` milliseconds (90 days),
    `history_bytes` in all (16 MiB): `versions` lists them, `rollback` goes back to one.

    With `webhook_secrets` (`"NAME=SECRET"`), or a `webhook_secret_file` with one a line, it takes signed requests at
    `POST /webhook/config`, which may write what `webhook_paths` match (everything; nothing where the list is empty).

    When something begins to be wrong (a conflict to decide, a write that is not in force, a source or peer that went silent), and
    when it is over, it sends a signed request to each of `notify_urls` (Standard Webhooks, with the secret in `notify_secret_file`)
    and runs `notify_command`, which reads it on standard input.

    It runs until it is closed, also where nobody holds it, and not in the child of a fork: start it there.
    """

    @checked
    def __init__(
        self,
        *,
        bind: str | os.PathLike[str] | None = None,
        files: Path | Iterable[Path] = (),
        sources: Given | Iterable[Given] = (),
        listen: str | Iterable[str] = (),
        peers: str | Iterable[str] = (),
        buses: str | Iterable[str] = (),
        env_prefix: str | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        document: str = "default",
        rules: Sequence[Rule] | None = None,
        auth: str | os.PathLike[str] | None = None,
        tls_cert: str | os.PathLike[str] | None = None,
        tls_key: str | os.PathLike[str] | None = None,
        tls_client_ca: str | os.PathLike[str] | None = None,
        tls_ca: str | os.PathLike[str] | None = None,
        token_file: str | os.PathLike[str] | None = None,
        token: str | None = None,
        behind_proxy: bool = False,
        allow_origins: str | Iterable[str] = (),
        allow_hosts: str | Iterable[str] = (),
        schema: Schema | Mapping[str, Any] | None = None,
        profiles: str | Iterable[str] = (),
        interpolate: bool | Iterable[str] = False,
        model: type[_M] | None = None,
        found_after: int = 3_000,
        old_after: int = 600_000,
        stale_after: int | None = None,
        settle: bool = False,
        history_versions: int = 10_000,
        history_age: int = 90 * 24 * 60 * 60 * 1_000,
        history_bytes: int = 16 << 20,
        encrypt_key_file: str | os.PathLike[str] | None = None,
        webhook_secrets: str | Iterable[str] = (),
        webhook_secret_file: str | os.PathLike[str] | None = None,
        webhook_paths: str | Iterable[str] | None = None,
        notify_urls: str | Iterable[str] = (),
        notify_secret_file: str | os.PathLike[str] | None = None,
        notify_command: str | None = None,
        check_within: int = 5_000,
        invalid_variables: Literal["refuse", "ignore"] = "refuse",
    ) -> None:
        schema = _schema(schema, model)
        self._model = model
        addresses = [listen] if isinstance(listen, str) else list(listen)
        brokers = [buses] if isinstance(buses, str) else list(buses)
        below, others, more = paths_of(files), [peers] if isinstance(peers, str) else list(peers), given_sources(sources)
        origins = [allow_origins] if isinstance(allow_origins, str) else list(allow_origins)
        hosts = [allow_hosts] if isinstance(allow_hosts, str) else list(allow_hosts)
        active = [profiles] if isinstance(profiles, str) else list(profiles)
        names = _env_names(interpolate)
        access = {
            "auth": auth,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
            "tls_client_ca": tls_client_ca,
            "tls_ca": tls_ca,
            "token_file": token_file,
            "token": token,
            "behind_proxy": behind_proxy,
        }
        secrets = [webhook_secrets] if isinstance(webhook_secrets, str) else list(webhook_secrets)
        may_write = [webhook_paths] if isinstance(webhook_paths, str) else webhook_paths
        may_write = None if may_write is None else list(may_write)
        receivers = [notify_urls] if isinstance(notify_urls, str) else list(notify_urls)

        def start() -> Live:
            return _native.start_mesh(
                bind=bind,
                files=below,
                sources=more,
                listen=addresses,
                peers=others,
                buses=brokers,
                env_prefix=env_prefix,
                data_dir=data_dir,
                document=document,
                rules=rules,
                access=access,
                allow_origins=origins,
                allow_hosts=hosts,
                schema=schema,
                check_within=check_within,
                invalid_variables=invalid_variables,
                profiles=active,
                interpolate=interpolate is not False,
                env_names=names,
                found_after=found_after,
                old_after=old_after,
                stale_after=stale_after,
                settle=settle,
                history=(history_versions, history_age, history_bytes),
                encrypt_key_file=encrypt_key_file,
                webhook_secrets=secrets,
                webhook_secret_file=webhook_secret_file,
                webhook_paths=may_write,
                notify=(receivers, notify_secret_file, notify_command),
            )

        self._start = start

    def start(self: _Started) -> _Started:
        """Starts it, once in a process; blocks while files and store are read."""
        if self._started is not None:
            raise UsageError("this mesh was started already", code="usage", hint="make another one")
        self._run(self._start())
        self._is_forked = False
        _running.add(self)
        return self

    def _absent(self) -> Live:
        if self._is_forked:
            message = "this mesh runs in the process that started it, not in its fork"
            hint = "call `start()` in the child, and fork before anything is started: it would use the same files and ports"
            raise UsageError(message, code="usage", hint=hint)
        hint = "use `async with`, `with`, or call `start()`"
        raise UsageError("this mesh was not started", code="usage", hint=hint)

    def _stayed_behind(self) -> None:
        super()._stayed_behind()
        _running.discard(self)

    def close(self) -> None:
        super().close()
        _running.discard(self)

    @property
    def model(self) -> _M:
        """The document as the `model` that it was opened with: one object of one moment, until something changes."""
        model: _M = super().model
        return model

    @property
    def addresses(self) -> list[str]:
        """The addresses that are really listened on, `host:port`."""
        return self._live.addresses

    @checked
    def set(
        self,
        path: str,
        value: Any,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
        message: str | None = None,
    ) -> Pending[Receipt]:
        """Sets a path of the shared document: `await mesh.set(…)`, or `mesh.set(…).wait()`.

        With `if_version` only if that is the version of the path (`read` tells it; `"none"` where nothing is), with
        `force` also over a first value that a rule keeps. `fence` is the token of a lock; `user` is shown in conflicts,
        and `message` says why in the history.
        """
        terms: dict[str, Any] = {"if_version": if_version, "force": force, "fence": fence, "user": user, "message": message}
        return Pending(self._live.set(path, value, **terms))

    @checked
    def unset(
        self,
        path: str,
        *,
        if_version: str | None = None,
        force: bool = False,
        fence: int = 0,
        user: str | None = None,
        message: str | None = None,
    ) -> Pending[Receipt]:
        """Removes a path from the shared document, under the same terms as `set`."""
        terms: dict[str, Any] = {"if_version": if_version, "force": force, "fence": fence, "user": user, "message": message}
        return Pending(self._live.unset(path, **terms))

    @checked
    def on_webhook(self, name: str, callback: Callable[[str, Any], object]) -> None:
        """Calls `callback(name, data)` for each webhook about a document of that name, `"*"` for any, once it is on the disk.

        It may be `async`, and runs on a thread of its own. Where it raises, `sys.unraisablehook` and the sender hear of it; the
        sender sends it again, and what failed is called again.
        """
        check_callable(callback, "on_webhook", "give `lambda name, data: …`")
        self._live.on_webhook(name, lambda about, data: finished(callback(about, data)))

    @checked
    def adopt(self, url: str, *, yes: bool = False) -> Pending[Adoption]:
        """Gives the document up for the one of the instance at `http://host:port`, which has to be connected as a peer.

        Without `yes` nothing is done: `lost` of the answer lists what is here and would be gone or have another value, secrets
        masked. With it every instance that shares the document given up follows, and what was here is `kept`.
        """
        return Pending(self._live.adopt(url, yes))

    @checked
    def patch(self, patch: Sequence[Mapping[str, Any]], *, if_hash: str | None = None) -> Pending[Receipt]:
        """Applies a JSON Patch (RFC 6902), with `if_hash` only if that is the document's hash."""
        return Pending(self._live.patch(patch, if_hash=if_hash))

    @checked
    def merge_patch(self, patch: Mapping[str, Any], *, if_hash: str | None = None) -> Pending[Receipt]:
        """Applies a JSON Merge Patch (RFC 7396), with `if_hash` only if that is the document's hash."""
        return Pending(self._live.merge_patch(patch, if_hash=if_hash))

    @checked
    def replace(self, value: Mapping[str, Any], *, if_hash: str | None = None) -> Pending[Receipt]:
        """Makes the document this one, by writing what differs."""
        return Pending(self._live.replace(value, if_hash=if_hash))

    def status(self) -> Pending[Status]:
        """How the instance, its sources and its peers are doing."""
        return Pending(self._live.status())

    def __enter__(self: _Started) -> _Started:
        return self.start()

    async def __aenter__(self: _Started) -> _Started:
        import asyncio

        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    def __repr__(self) -> str:
        return "<Mesh, not running>" if self._started is None else f"<Mesh at revision {self.revision}>"
