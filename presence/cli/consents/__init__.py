"""`presence consents`: the reference publisher of consent lists, from keys to withdrawals.

Not on a gateway: this package and presence.consent_service have a wheel of their own.

Imports: presence.consent_service and what lies below.
"""

from typing import Final

DESCRIPTION: Final = """\
A consent service in small: for a demonstration, for tests, and for a chain that
has no consent platform yet. It runs on the chain's side, never on a gateway:
its folder holds the customers' identity keys. One folder is one list.

  init       keys, roles and an empty register
  add        a customer agreed; also to renew or to change an agreement
  import     many customers, from CSV or JSON Lines
  apply      any of these, a line of JSON each, in one process
  narrow     a category or purpose less
  fulfil     the customer has what they looked for: that interest ends now
  pause      nothing until a time; `resume` ends it
  withdraw   the customer takes back everything
  object     the customer wants no advertising, for ever: beats everything
  publish    write and sign what gateways fetch; --loop does it every minute
  head       sign the heartbeat that exposes a list held back
  rotate     replace a key
  settings   the list's notice, audiences and taxonomy; also to change them
  export     all that the register keeps, for another folder's `apply`
  status     how the list is, in numbers
  show       one agreement
  list       every agreement that stands
  find       whose a reference is, or which ids have some letters
  customers  the pairwise keys of one audience, for its offer engine
"""

EPILOG: Final = """\
Gateways read acme/repository (over HTTPS or as a folder), and are given
acme/repository/metadata/1.root.json by hand.

What takes away (narrow, fulfil, pause, withdraw, object) also writes a signed
revocation into the folder `outbox`; with --mqtt it goes to the broker at once.
What gives waits for `publish`. Formats: docs/consent-list.md
"""
