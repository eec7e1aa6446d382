"""What holds for every test: a property is wrong or right, however slow the machine is that tries it."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
