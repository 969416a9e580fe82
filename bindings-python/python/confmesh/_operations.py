"""What a running mesh is asked by name. Printed from `core/src/api` by
`CONFMESH_PRINT=1 cargo test -p confmesh-tests --test house operations`; do not edit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from ._options import checked
from ._pending import Pending
from ._reader import _Reader

if TYPE_CHECKING:
    from ._types import Health, Kept, Member, Problem, Receipt, RepairPlan, Repaired, Versioned, WriteConflict, Written


class BackedUp(TypedDict):
    """What a backup holds."""

    made: str
    version: str
    documents: list[str]
    records: int


class Backup(TypedDict):
    """A backup of a running instance."""

    made: str
    version: str
    documents: list[str]
    records: int
    data: str


class FailedSource(TypedDict):
    """A source whose newest content is not in force."""

    source: str
    error: Problem


class HeldLock(TypedDict):
    """A lock that was granted."""

    key: str
    holder: str
    token: str
    session: str
    expires_in_ms: int


class Lock(TypedDict):
    """A lock on paths of the document."""

    key: str
    holder: str
    token: str
    expires_in_ms: int


class LockAuthority(TypedDict):
    """Who grants the locks of a document."""

    instance_id: str
    epoch: int


class Locks(TypedDict):
    """The locks of a document."""

    locks: list[Lock]
    authority: LockAuthority | None


class Reloaded(TypedDict):
    """What looking at every source came to."""

    revision: int
    changed: list[str]
    failed: list[FailedSource]


class Restored(TypedDict):
    """What a restore did."""

    backup: BackedUp
    kept: str | None


class RolledBack(TypedDict):
    """What going back to a version does, by effect."""

    version: Version
    returns: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    goes: list[dict[str, Any]]
    lost: list[str]
    receipt: dict[str, Any] | None


class ShownVersion(TypedDict):
    """A version, what it changed, and what was shared after it."""

    version: Version
    changes: list[dict[str, Any]]
    document: dict[str, Any]
    lost: list[str]


class Version(TypedDict):
    """A visible change of what instances share, as one of them saw it."""

    id: int
    name: str
    timestamp: str
    digest: str | None
    cause: str
    writes: list[VersionWrite]
    changed: list[str]
    count: int


class VersionComparison(TypedDict):
    """What changed from one version to another."""

    before: Version
    after: Version | None
    changes: list[dict[str, Any]]
    lost: list[str]


class VersionWrite(TypedDict):
    """A write in a version."""

    author: str
    version: str
    timestamp: str
    instance_id: str | None
    user: str | None
    message: str | None


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None and value is not False}


class _Operations(_Reader):
    """A method for each."""

    @checked
    def read(self, path: str) -> Pending[Versioned]:
        """The value at a path, if one is there, with its version: what `if_version` of a write takes."""
        return Pending(self._live.call("read", {"path": path}))

    @checked
    def written(self, path: str) -> Pending[list[Written]]:
        """The shared writes that made what is at a path, the newest first: who, when, in whose name."""
        return Pending(self._live.call("written", {"path": path}))

    @checked
    def versions(self, *, path: str | None = None, limit: int | None = None, before: int | None = None) -> Pending[list[Version]]:
        """The versions of what instances share, as this instance saw them, the newest first: when, who, why, what changed.

        Each is a visible change. Those before the oldest one that is kept are forgotten.
        """
        return Pending(self._live.call("versions", {**_given(path=path, limit=limit, before=before)}))

    @checked
    def show_version(self, id: str | int) -> Pending[ShownVersion]:
        """A version: what it changed, and what instances shared after it; secrets are masked."""
        return Pending(self._live.call("show_version", {"id": id}))

    @checked
    def compare_versions(self, before: str | int, *, after: str | int | None = None) -> Pending[VersionComparison]:
        """What changed from one version to another one, or to what is shared now; secrets are masked."""
        return Pending(self._live.call("compare_versions", {"before": before, **_given(after=after)}))

    @checked
    def rollback(self, version: str | int, *, pattern: str | None = None, dry_run: bool = False, message: str | None = None, if_hash: str | None = None, user: str | None = None, force: bool = False, fence: int | None = None) -> Pending[RolledBack]:
        """Makes what instances share what it was at a version, by an ordinary write of what differs.

        The reply says by effect what that is: what returns, what changes, what goes. Files and variables are not touched.
        """
        return Pending(self._live.call("rollback", {"version": version, **_given(pattern=pattern, dry_run=dry_run, message=message, if_hash=if_hash, user=user, force=force, fence=fence)}))

    @checked
    def locks(self) -> Pending[Locks]:
        """Who holds locks, as far as the instance knows, the oldest first; and who grants them."""
        return Pending(self._live.call("locks", {}))

    @checked
    def locks_on(self, key: str) -> Pending[Locks]:
        """Who holds locks on any of the paths that a pattern matches."""
        return Pending(self._live.call("locks_on", {"key": key}))

    @checked
    def lock(self, key: str, *, ttl_ms: int | None = None, wait_ms: int | None = None, holder: str | None = None, session: str | None = None) -> Pending[HeldLock]:
        """Holds a lock on the paths that a pattern matches: writes of others there are refused while it lasts.

        Write with its `token` as `fence`. It ends by itself unless it is renewed, and what is behind a resource of your own is safe only where that checks the token. Over a WebSocket it ends with the connection.
        """
        return Pending(self._live.call("lock", {"key": key, **_given(ttl_ms=ttl_ms, wait_ms=wait_ms, holder=holder, session=session)}))

    @checked
    def renew_lock(self, key: str, token: str | int, session: str, *, ttl_ms: int | None = None) -> Pending[Lock]:
        """Holds a lock longer: from now on as long as before, or as said. One that has ended cannot be renewed."""
        return Pending(self._live.call("renew_lock", {"key": key, "token": token, "session": session, **_given(ttl_ms=ttl_ms)}))

    @checked
    def release_lock(self, key: str, token: str | int, session: str) -> Pending[Lock]:
        """Ends a lock that is held: whoever waits for it gets it."""
        return Pending(self._live.call("release_lock", {"key": key, "token": token, "session": session}))

    @checked
    def force_release_lock(self, key: str, reason: str) -> Pending[Lock]:
        """Takes a lock from whoever holds it. It is written down who did, and why.

        The holder is not stopped by it: what it does outside of the document goes on until it notices.
        """
        return Pending(self._live.call("force_release_lock", {"key": key, "reason": reason}))

    @checked
    def take_lock_authority(self) -> Pending[LockAuthority]:
        """Makes the instance the one that grants the document's locks, where the one that did is gone for good.

        Where locks may be held that it has not heard of, it grants none for ten minutes. If the other one lives on where it cannot be reached, both grant until they meet, and only tokens tell their locks apart.
        """
        return Pending(self._live.call("take_lock_authority", {}))

    @checked
    def conflicts(self, *, all: bool = False) -> Pending[list[WriteConflict]]:
        """What instances wrote at the same time in different ways and waits for a decision.

        With `all` also what a rule decided, so that whatever lost can be seen.
        """
        return Pending(self._live.call("conflicts", {**_given(all=all)}))

    @checked
    def assign(self, id: str, user: str | None) -> Pending[Receipt]:
        """Names for every instance who is to decide an open conflict; null withdraws the name."""
        return Pending(self._live.call("assign", {"id": id, "user": user}))

    @checked
    def resolve(self, id: str, *, take: int | None = None, value: Any = ..., keep: bool = False, remove: bool = False, user: str | None = None, message: str | None = None, force: bool = False, fence: int | None = None) -> Pending[Receipt]:
        """Settles a conflict: takes a side by its place in the list, writes a value, keeps what shows, or removes."""
        arguments: dict[str, Any] = {"id": id, **_given(take=take, keep=keep, remove=remove, user=user, message=message, force=force, fence=fence)}
        if value is not ...:
            arguments["value"] = value
        return Pending(self._live.call("resolve", arguments))

    @checked
    def audit(self) -> Pending[list[dict[str, Any]]]:
        """How conflicts ended, and what came from elsewhere and became of it: the newest 1,024 entries, oldest first."""
        return Pending(self._live.call("audit", {}))

    @checked
    def members(self) -> Pending[list[Member]]:
        """Who has to be reached before the history of the document is dropped, and who holds that up."""
        return Pending(self._live.call("members", {}))

    @checked
    def expel(self, replica: str) -> Pending[str]:
        """Stops waiting for a member that is gone for good, so that it holds up the dropping of history no more.

        Only for the instance that all others dial: what the member wrote and this one has not seen is not taken any more. Should it come back, it takes over the document and makes its unshared writes again.
        """
        return Pending(self._live.call("expel", {"replica": replica}))

    @checked
    def force_sync(self) -> Pending[int]:
        """Compares the document with every connected instance at once, and says how many are asked.

        They do so every few seconds anyway: this is for those who do not want to wait.
        """
        return Pending(self._live.call("force_sync", {}))

    @checked
    def kept(self) -> Pending[list[Kept]]:
        """What this instance held before other documents took its place, the oldest first, until it is confirmed."""
        return Pending(self._live.call("kept", {}))

    @checked
    def confirm_kept(self, id: int) -> Pending[None]:
        """Says that what is kept under a number is not needed any more.

        A copy beside the bound file stays where it is.
        """
        return Pending(self._live.call("confirm_kept", {"id": id}))

    @checked
    def repair_plan(self) -> Pending[RepairPlan]:
        """What a repair would remove: authors of whom no write is held, and members that are not connected.

        It changes nothing.
        """
        return Pending(self._live.call("repair_plan", {}))

    @checked
    def repair(self) -> Pending[Repaired]:
        """Lets the document go on as another one, with the same content, without authors and members that nobody is.

        Everybody who shares the document follows, makes again what it wrote meanwhile, and keeps what it showed and the new one does not.
        """
        return Pending(self._live.call("repair", {}))

    @checked
    def reload(self) -> Pending[Reloaded]:
        """Looks at every file, the bound file and every source that is polled at once, and says what changed and what failed.

        They are watched and asked anyway: this is for those who do not want to wait. A polled source has ten seconds.
        """
        return Pending(self._live.call("reload", {}))

    @checked
    def health(self) -> Pending[Health]:
        """Whether requests may be sent to the instance, and what someone should look at."""
        return Pending(self._live.call("health", {}))

    @checked
    def metrics(self) -> Pending[str]:
        """Counters, durations and how things stand, in OpenMetrics' text form, for Prometheus and its like.

        Labels are kinds and outcomes: no path, address or value of the document is among them.
        """
        return Pending(self._live.call("metrics", {}))

    @checked
    def backup(self) -> Pending[Backup]:
        """Everything that the instance keeps on disk, with all that was acknowledged before, in one file with a checksum.

        Secrets that are sealed on disk stay sealed; all else is in it as it is. The key of the instance is not in it.
        """
        return Pending(self._live.call("backup", {}))
