"""How many examples hypothesis tries: few at the desk (`dev`), all in `scripts/test` and CI (`ci`).

`pytest --hypothesis-profile=ci` chooses the profile. A test that says its own number says it for
`ci`, by `examples`; with `dev` it is tried with as many fewer as every other.
"""

from typing import Any

from hypothesis import HealthCheck, settings

PROFILES = {"dev": 20, "ci": 100}
MIN_EXAMPLES = 3


def register_profiles() -> None:
    """Make the profiles known, and load that of the desk.

    No property is judged by the clock: machines are noisy, and four tests run at a time.
    """
    for name, count in PROFILES.items():
        settings.register_profile(
            name,
            max_examples=count,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile("dev")


def examples(count: int, **others: Any) -> settings:
    """Settings with so many examples under `ci`, and the same share of them under another."""
    share = settings().max_examples / PROFILES["ci"]
    return settings(max_examples=max(MIN_EXAMPLES, round(count * share)), **others)
