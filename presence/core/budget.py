"""So many of something a second, and a few more at once: a token bucket without a clock."""


class Budget:
    """Never more than `at_once`, and `each_s` a second in the long run."""

    def __init__(self, *, each_s: float, at_once: int) -> None:
        self._each_s = each_s
        self._at_once = at_once
        self._left = float(at_once)
        self._at_s = 0.0

    def take(self, now_s: float) -> bool:
        """Whether one more is within the budget at this monotonic second."""
        self._left = min(self._at_once, self._left + max(0.0, now_s - self._at_s) * self._each_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
