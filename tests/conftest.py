"""For all tests: no property is judged by the clock. Machines are noisy, and four tests run at a time."""

from hypothesis import HealthCheck, settings

settings.register_profile("presence", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("presence")
