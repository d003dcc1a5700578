"""From what was heard to whom it belongs: payloads, formats, keys and tables; and who only replays
an identifier.

Imports: the ground of presence.core (time, site, agendas), nothing of consent, visits or events.
"""
