"""Long tests run whole jobs, too."""

from system.conftest import spark

__all__ = ["spark"]
