"""`scripts/bench [NAME …] [--json]`: measure, and print one figure a line."""

import importlib
import json
import pkgutil
import sys

import scripts.benchmarks
from presence.cli.command import Parser, meant

NOT_BENCHMARKS = {
    "__main__",
    "broker_gateways",
    "broker_paho",
    "chain_messages",
    "chain_stores",
    "figure",
    "light_client",
    "list_size_fetch",
    "list_size_gateway",
    "list_size_made",
    "list_size_publisher",
    "subjects",
}


def names() -> list[str]:
    return sorted(
        m.name
        for m in pkgutil.iter_modules(scripts.benchmarks.__path__)
        if m.name not in NOT_BENCHMARKS
    )


def make_parser() -> Parser:
    parser = Parser(
        prog="scripts/bench",
        description="Figures with their goals (docs/design.md#performance).",
        examples=("scripts/bench", "scripts/bench startup trace --json"),
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; default: all"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: name, value, unit, goal, met"
    )
    return parser


def main() -> int:
    parser = make_parser()
    options = parser.parse_args()
    for unknown in set(options.names) - set(names()):
        parser.error(f"there is no benchmark {unknown!r}{meant(unknown, names())}")
    for name in options.names or names():
        for figure in importlib.import_module(f"scripts.benchmarks.{name}").figures():
            if options.json:
                print(json.dumps(figure.as_dict()), flush=True)
            else:
                goal = (
                    ""
                    if figure.goal is None
                    else f"  goal {figure.goal:,g}  {'met' if figure.met else 'MISSED'}"
                )
                print(
                    f"{figure.name:40} {figure.value:>14,g} {figure.unit}{goal}  {figure.note}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
