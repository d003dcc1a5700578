"""For all tests: no property is judged by the clock. Machines are noisy, and four tests run at a time.

Ctrl-C is heard: a shell starts what runs in the background with SIGINT ignored, and our children would inherit that.
"""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("presence", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("presence")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
