"""The agenda: due in time, never early, each key once, nothing left of what was dropped."""

from hypothesis import given
from hypothesis import strategies as st

from presence.core.agenda import AT_ONCE, Agenda

TIMES = st.floats(0, 20)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(TIMES, st.none()))),
    st.lists(TIMES).map(sorted),
)
def test_whatever_is_put_in_is_taken_once_and_when_it_is_due(
    puts: list[tuple[str, float | None]], ticks: list[float]
) -> None:
    agenda, wanted = Agenda[str](), dict[str, float]()
    for key, due_s in puts:
        if due_s is None:
            agenda.drop(key)
            wanted.pop(key, None)
        else:
            agenda.put(key, due_s)
            wanted[key] = due_s
    for now_s in ticks:
        due = {key for key, due_s in wanted.items() if due_s <= now_s}
        taken = agenda.take(now_s)
        assert len(taken) == len(set(taken))
        assert set(taken) == due
        wanted = {key: due_s for key, due_s in wanted.items() if key not in due}
        assert len(agenda) == len(wanted)
        assert all(key in agenda for key in wanted)


def test_the_earliest_second_comes_first() -> None:
    agenda = Agenda[str]()
    for key, due_s in (("c", 9.0), ("a", AT_ONCE), ("b", 3.5)):
        agenda.put(key, due_s)

    assert agenda.take(9.0) == ["a", "b", "c"]


def test_nothing_is_left_of_what_was_dropped() -> None:
    agenda = Agenda[str]()
    agenda.put("a", 5.0)
    agenda.put("a", 7.0)
    agenda.drop("a")
    agenda.drop("a")

    assert (len(agenda), agenda._seconds, agenda.take(99.0)) == (0, {}, [])
