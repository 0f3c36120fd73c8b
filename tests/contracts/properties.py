"""How property tests are drawn: few, the same ones every time, nothing kept on disk."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A contract's methods run in several subclasses, and under the fixtures of tests/conftest.py.
PROPERTY = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)
