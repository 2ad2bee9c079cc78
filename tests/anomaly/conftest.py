"""What the tests of the ways in share."""

from anomaly.fakes import anomaly, model, rings, saved  # noqa: F401
