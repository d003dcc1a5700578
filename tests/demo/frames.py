"""Pictures of the play, made up: a busy moment, and an empty shop."""

from presence.demo.knowledge import Knowledge
from presence.demo.scene import Happening
from presence.demo.view import Frame, Seen
from presence.simulation import Spot

EMPTY = Frame(
    now_s=0.0,
    speed=1.0,
    broker="mosquitto, MQTT 5",
    people=(),
    strangers=(),
    knows=Knowledge(refused={}, visits={}, withheld={}),
    feed=(),
)
BUSY = Frame(
    now_s=52.0,
    speed=1.0,
    broker="embedded broker, MQTT 3.1.1",
    people=(
        Seen("Aino", "cars, visit end", "left again", "told", True),
        Seen("Bruno", "cars, garden", "at the window", "bold", True, Spot(4.2, -2.4)),
        Seen("Carla", "ended yesterday", "gone", "dim", False),
        Seen("David", "garden", "offer withdrawn", "taken", True, Spot(-1.2, 2.0)),
        Seen("Elsa", "garden", "offer: garden", "told", True, Spot(1.8, 1.2)),
        Seen("Farid", "paused a week", "gone", "dim", False),
        Seen("Greta", "shoes", "inside", "bold", True, Spot(10.9, 7.3)),
        Seen("Hugo", "another store", "gone", "dim", False),
        Seen("Iris", "objected", "inside", "bold", False, Spot(0.3, 2.9)),
        Seen("Jonas", "cars, by iPhone", "offer: cars", "told", True, Spot(-10.9, 0.1), True),
    ),
    strangers=(Spot(-8.0, -3.0), Spot(6.0, -1.5), Spot(-5.0, 5.0)),
    knows=Knowledge(
        list_seq=3,
        entries=7,
        freshness="fresh",
        heard=12_345,
        strangers=10_987,
        recognised=1_100,
        refused={"out_of_scope": 158, "paused": 100},
        answered=4,
        unanswered=2,
        approaching=1,
        inside=(("mZ3kQ0a1Bc8", 24.0), ("qL2v8s0fMjE", 12.4), ("Zk9_-aa1Bc8", 4.0)),
        visits={"entered": 5, "left": 1, "withdrawn": 1},
        withheld={"no_category": 1},
        published=6,
    ),
    feed=(
        Happening(38.0, "list", "David withdraws in the app: a signed revocation goes out"),
        Happening(39.0, "withdrawn", "David's event is withdrawn"),
        Happening(39.2, "cancelled", "David's offer is cancelled"),
        Happening(44.0, "list", "signed list 3 confirms it"),
        Happening(51.0, "silent", "Farid: paused for a week → nothing said"),
    ),
)
