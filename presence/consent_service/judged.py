"""What was judged once and need not be judged again: an export says the same few things over and
over.

Bounded twice, in answers and in characters: an export may as well say thousands of long things,
each of them once.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

MOST: Final = 4096
MOST_CHARS: Final = 1 << 20
"""Of what was asked; an answer holds about as much again."""
LONGEST_CHARS: Final = 1 << 12
"""What is longer is judged each time."""

Asked = TypeVar("Asked", bound=Hashable)
Answer = TypeVar("Answer")


class JudgedOnce(dict[Asked, Answer], Generic[Asked, Answer]):
    """`judged[asked]` is `judge(asked)`. What it raises is not kept."""

    def __init__(
        self, judge: Callable[[Asked], Answer], *, most: int = MOST, most_chars: int = MOST_CHARS
    ) -> None:
        super().__init__()
        self._judge = judge
        self._most, self._most_chars = most, most_chars
        self._chars = 0

    def __missing__(self, asked: Asked) -> Answer:
        answer = self._judge(asked)
        chars = chars_of(asked)
        if chars <= LONGEST_CHARS:
            # All at once: to know which of them was asked for last would cost each question more.
            if len(self) >= self._most or self._chars + chars > self._most_chars:
                self.clear()
                self._chars = 0
            self._chars += chars
            self[asked] = answer
        return answer


def chars_of(asked: object) -> int:
    """Of all texts in it."""
    if isinstance(asked, str):
        return len(asked)
    return sum(map(chars_of, asked)) if isinstance(asked, Iterable) else 0
