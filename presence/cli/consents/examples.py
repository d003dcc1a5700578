"""Command lines to begin with, for `presence consents` and each of its actions."""

from typing import Final

FIRST_LIST: Final = (
    """presence consents init --directory acme --list acme/fi-0042 \\
      --audience offers-main=offers""",
    """presence consents add --directory acme anna --purpose presence \\
      --purpose offers --category ap2:1551=2027-03-01 --until +90d""",
    "presence consents publish --directory acme --suppression-checked now",
)
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "init": FIRST_LIST[:1],
    "add": (
        FIRST_LIST[1],
        """presence consents add --directory acme tester --purpose presence \\
      --until +30d --test                      # a technician's phone""",
    ),
    "narrow": ("presence consents narrow --directory acme anna --category ap2:1551",),
    "fulfil": ("presence consents fulfil --directory acme anna ap2:1551",),
    "pause": ("presence consents pause --directory acme anna --until +14d",),
    "resume": ("presence consents resume --directory acme anna",),
    "withdraw": (
        "presence consents withdraw --directory acme anna",
        """presence consents withdraw --directory acme anna --mqtt localhost \\
      --mqtt-user consents --mqtt-password-file broker.password   # at once""",
    ),
    "object": ("presence consents object --directory acme anna",),
    "apply": ("presence consents apply --directory acme changes.jsonl",),
    "list": ("presence consents list --directory acme --json | jq .id",),
    "find": (
        "presence consents find --directory acme ann",
        "presence consents find --directory acme mfrggzdfmzt      # by reference",
    ),
    "import": ("presence consents import --directory acme export.csv --delimiter ';'",),
    "publish": (
        FIRST_LIST[2],
        "presence consents publish --directory acme --loop --mqtt localhost",
    ),
    "head": ("presence consents head --directory acme --mqtt localhost",),
    "rotate": (
        "presence consents rotate --directory acme online",
        "presence consents rotate --directory acme notices --stolen",
    ),
    "export": (
        "presence consents export --directory acme --output acme.jsonl",
        """presence consents init --directory new --list acme/fi-0042 \\
      --service-key acme/keys/service.key          # then: apply acme.jsonl""",
    ),
    "settings": (
        "presence consents settings --directory acme",
        "presence consents settings --directory acme --notice fi-2026-09",
        """presence consents settings --directory acme --remove-audience offers-main \\
      --from-agreements""",
    ),
    "status": ("presence consents status --directory acme --json",),
    "show": ("presence consents show --directory acme anna",),
    "customers": ("presence consents customers --directory acme offers-main >customers.jsonl",),
}
