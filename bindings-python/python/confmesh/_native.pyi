"""The compiled half of confmesh; import from `confmesh` instead."""

__all__ = ["version"]

def version() -> str:
    """The version of confmesh, for example `0.1.0`."""
