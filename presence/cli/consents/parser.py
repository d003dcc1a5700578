"""What `presence consents` and its actions take."""

import argparse
import math
from pathlib import Path
from typing import Final

from presence.cli.command import MISSING, Commands, add_json, add_output
from presence.cli.consents import DESCRIPTION, EPILOG
from presence.cli.consents.arguments import (
    add_broker,
    add_customer,
    add_purposes,
    add_several,
    add_what_is_said,
)
from presence.cli.consents.examples import EXAMPLES, FIRST_LIST
from presence.cli.consents.values import category, moment
from presence.cli.exit_codes import ExitCode

WORK: Final = "presence.cli.consents"
ROLES: Final = ("targets", "snapshot", "timestamp", "notices", "online", "approval", "root")
DELIMITERS: Final = (";", "\t", ",")
EXITS: Final = {
    ExitCode.OK: "done",
    ExitCode.USAGE: "the options cannot be used; nothing was changed",
    ExitCode.UNAVAILABLE: "refused, or a file or the broker is in the way; the message says what "
    "was changed",
}
BAD_LINES: Final = "lines could not be used, each named by number and reason; the others are taken"


def add(commands: Commands) -> None:
    command = commands.add(
        "consents",
        None,
        summary="the reference publisher: keep and sign a consent list",
        description=DESCRIPTION,
        examples=FIRST_LIST,
        epilog=EPILOG,
    )
    actions = Commands(command, metavar="ACTION", missing=MISSING)
    _add_init(actions)
    _add_add(actions)
    _add_what_takes_away(actions)
    _add_apply(actions)
    _add_import(actions)
    _add_publish(actions)
    _add_rotate(actions)
    _add_looks(actions)
    _add_settings(actions)
    export = _action(
        actions, "export", "moving:export", "all that the register keeps, as lines for `apply`"
    )
    add_output(export, metavar="FILE", explanation="for its owner alone (standard output)")


def _action(actions: Commands, name: str, work: str, summary: str) -> argparse.ArgumentParser:
    """An action with the folder and `--json`."""
    action = actions.add(
        name,
        f"{WORK}.{work}",
        summary=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        examples=EXAMPLES[name],
        exits=EXITS
        | ({ExitCode.WARN: "nothing is found"} if name == "find" else {})
        | ({ExitCode.WARN: BAD_LINES} if name in ("apply", "import") else {}),
    )
    action.add_argument(
        "--directory",
        type=Path,
        default=Path("consents"),
        metavar="DIR",
        help="the list's folder (consents)",
    )
    add_json(action)
    return action


def _add_init(actions: Commands) -> None:
    action = _action(
        actions, "init", "starting:start", "make a list: keys, roles and an empty register"
    )
    action.add_argument("--list", required=True, metavar="CHAIN/GROUP", help="e.g. acme/fi-0042")
    add_what_is_said(action, notice="")
    action.add_argument(
        "--service-key",
        type=Path,
        metavar="FILE",
        help="that of a list whose `export` this one is to take (keys/service.key there)",
    )
    add_output(
        action, metavar="DIR", explanation="what gateways will fetch (`repository` in the folder)"
    )


def _add_settings(actions: Commands) -> None:
    action = _action(
        actions, "settings", "settling:settings", "the list's notice, audiences and taxonomy"
    )
    add_what_is_said(action, notice=None)
    add_several(action, "--remove-audience", "NAME", "who is told no more")
    action.add_argument(
        "--from-agreements",
        action="store_true",
        help="with --remove-audience: also out of the agreements that let it be told",
    )
    action.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="when customers were first shown that notice or told of that audience (now)",
    )


def _add_add(actions: Commands) -> None:
    add = _action(
        actions,
        "add",
        "changing:add",
        "a customer agreed: take it up, or put it in place of what was",
    )
    add_customer(add)
    add_purposes(add)
    _add_categories(add)
    _add_times(add)
    add_several(add, "--store", "STORE", "several times (the list's own)")
    add.add_argument("--chain-wide", action="store_true", help="in every store of the chain")
    add.add_argument(
        "--explicit", action="store_true", help="agreed explicitly to sensitive stores"
    )
    add.add_argument(
        "--no-profiling", action="store_true", help="a minor: no categories, daily pseudonyms"
    )
    add.add_argument("--test", action="store_true", help="a technician's phone")
    add.add_argument(
        "--ticks", action="store_true", help="the app always sends ticks: without, it is a replay"
    )
    add.add_argument(
        "--person",
        default="",
        metavar="NAME",
        help="of several devices of one person: the same name",
    )
    add.add_argument(
        "--notice", default="", metavar="VERSION", help="what was shown (that of --given's time)"
    )
    _add_phone(add)
    add_broker(add)


def _add_phone(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--identity-key",
        type=Path,
        metavar="FILE",
        help="32 hex digits; - for standard input; without it one is made",
    )
    add.add_argument(
        "--loudness-db",
        type=int,
        metavar="DB",
        help="how much louder this model of phone sends than your reference phone: 0, 4 … 28; "
        "without it as before, or 0",
    )


def _add_times(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--until",
        type=moment,
        required=True,
        metavar="TIME",
        help="at most 13 months after the start",
    )
    add.add_argument("--from", dest="start_s", type=moment, metavar="TIME", help="the start (now)")
    add.add_argument("--given", type=moment, metavar="TIME", help="when the customer said so (now)")


def _add_categories(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--category",
        action="append",
        default=[],
        type=category,
        metavar="CATEGORY[=TIME]",
        help="wants to hear of it, until then; several times",
    )
    add.add_argument(
        "--explicit-category",
        action="append",
        default=[],
        type=category,
        metavar="CATEGORY[=TIME]",
        help="the same for a sensitive one, where the customer agreed explicitly to this very "
        "category",
    )
    add_several(add, "--refuse", "CATEGORY", "whatever a parent's grant says")
    add_several(
        add,
        "--again",
        "WORD",
        "a category or purpose of this agreement that the customer took away before and asks for "
        "anew",
    )


def _add_what_takes_away(actions: Commands) -> None:
    def taking(name: str, work: str, summary: str) -> argparse.ArgumentParser:
        action = _action(actions, name, f"changing:{work}", summary)
        add_customer(action)
        add_broker(action)
        return action

    narrow = taking("narrow", "narrow", "end categories or purposes, everything else stays")
    add_several(narrow, "--category", "CATEGORY", "e.g. ap2:1551")
    add_purposes(narrow)
    fulfil = taking(
        "fulfil", "fulfil", "the customer has what they looked for: that interest ends now"
    )
    fulfil.add_argument("category", metavar="CATEGORY", help="e.g. ap2:1551")
    pause = taking("pause", "pause", "nothing until a time")
    pause.add_argument(
        "--until", type=moment, default=math.inf, metavar="TIME", help="without it: until `resume`"
    )
    resume = "end a pause; gateways learn it with the next `publish`"
    add_customer(_action(actions, "resume", "changing:resume", resume))
    taking("withdraw", "withdraw", "the customer takes back everything; they may agree again later")
    taking("object", "objection", "the customer wants no advertising: beats everything, for ever")


def _add_apply(actions: Commands) -> None:
    action = _action(
        actions,
        "apply",
        "applying:start",
        "lines of JSON, each one action with its options; an answer to each",
    )
    action.add_argument("file", type=Path, metavar="FILE", help="JSON Lines; - for standard input")
    add_broker(action)


def _add_import(actions: Commands) -> None:
    action = _action(
        actions,
        "import",
        "importing:start",
        "take in an export, CSV or JSON Lines; names every line it cannot use",
    )
    action.add_argument(
        "file", type=Path, metavar="FILE", help=".csv, or .jsonl; columns: docs/consent-list.md"
    )
    action.add_argument(
        "--delimiter",
        choices=DELIMITERS,
        default=",",
        metavar="CHARACTER",
        help="between the columns of a CSV: a semicolon, a tab, or a comma as usual",
    )
    action.add_argument("--format", choices=("csv", "jsonl"), help="where the name does not say it")
    add_broker(action)


def _add_publish(actions: Commands) -> None:
    publish = _action(
        actions,
        "publish",
        "publishing:publish",
        "write and sign what gateways fetch; without a change, sign anew",
    )
    publish.add_argument(
        "--loop", action="store_true", help="until Ctrl-C; with --mqtt also heads and revocations"
    )
    publish.add_argument(
        "--every", type=float, default=60.0, metavar="S", help="with --loop: seconds (60)"
    )
    publish.add_argument(
        "--new-base", action="store_true", help="leave nothing of customers who left in any file"
    )
    publish.add_argument(
        "--suppression-checked",
        type=moment,
        metavar="TIME",
        help="when opt-out registers were last applied (now …); older than 24 h: gateways send "
        "no offers",
    )
    publish.add_argument(
        "--approve-growth",
        action="store_true",
        help="over a fifth more customers in a day is no mistake, signed by name",
    )
    publish.add_argument(
        "--approval-key",
        type=Path,
        metavar="FILE",
        help="with --approve-growth (keys/root/approval.pem in the folder)",
    )
    add_broker(publish)
    head = "sign the heartbeat: what is the newest of everything"
    add_broker(_action(actions, "head", "publishing:head", head))


def _add_rotate(actions: Commands) -> None:
    rotate = _action(
        actions, "rotate", "publishing:rotate", "replace keys under a new root, and publish"
    )
    rotate.add_argument(
        "role",
        choices=ROLES,
        metavar="ROLE",
        help=f"whose key: {', '.join(ROLES)} (online: all three of TUF)",
    )
    rotate.add_argument(
        "--root-keys",
        type=Path,
        metavar="DIR",
        help="where two root keys are (keys/root in the folder)",
    )
    rotate.add_argument(
        "--stolen",
        action="store_true",
        help="with notices: gateways forget all that the old key took away",
    )
    rotate.add_argument(
        "--new-key",
        type=Path,
        metavar="FILE",
        help="with root and approval: where the new key is to be written",
    )


def _add_looks(actions: Commands) -> None:
    _action(
        actions, "status", "looking:status", "how the list is, in numbers; of nobody in particular"
    )
    show = "one agreement, as gateways are given it; no key is shown"
    add_customer(_action(actions, "show", "looking:show", show))
    _action(actions, "list", "looking:listed", "every agreement that stands, a line each")
    find = _action(
        actions, "find", "looking:find", "whose a reference is, or which ids have these letters"
    )
    find.add_argument("word", metavar="WORD", help="a reference, or a part of an id")
    customers = _action(
        actions,
        "customers",
        "looking:customers",
        "the pairwise keys of one audience, for its offer engine; secret",
    )
    customers.add_argument("audience", metavar="AUDIENCE", help="as at `init`")
