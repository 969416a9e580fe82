"""confmesh merges configuration from many places, explains every value, and keeps every instance in agreement."""

from ._native import version

__version__ = version()

__all__ = ["__version__", "version"]
