"""A YAML text becomes nodes that know their lines, and mappings whose keys stand once.

We compose and do not construct: no tag ever runs code, and an alias of an alias of an alias is
never expanded. A message holds no piece of the text, for the text may hold a secret that was pasted
in the wrong place; PyYAML's own messages quote it, so its exceptions go no further than this
module.
"""

import re
from collections.abc import Callable, Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from presence.errors import ConfigurationError

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_HARMLESS = re.compile(r"""..?.?.?|.<[a-z ]+>.""")
"""Quotations of PyYAML that hold none of the text: one sign (`','`, `'\\t'`), or a token such as
`'<block end>'`.
"""

Refuse = Callable[[int, str], None]
"""Takes the line and what is wrong there."""


def compose_document(text: str, *, name: str, example: str = "config/presence.yaml") -> Node:
    """The root node of the only document. Raises ConfigurationError with the line of the
    mistake.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        problem = f"{name}: is empty: start from the commented {example}"
    except yaml.MarkedYAMLError as error:
        root, problem = None, _syntax_problem(error, name)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        root, problem = None, f"{name}:{line}: holds a character that YAML forbids: remove it"
    except RecursionError:
        root, problem = None, f"{name}: is nested too deeply: two levels are enough"
    except (
        ValueError,
        ArithmeticError,
    ):  # PyYAML lets these through, e.g. for the escape "\UFFFFFFFF"
        root, problem = (
            None,
            f"{name}: holds an escape or a number that YAML cannot read: write it plainly",
        )
    if (
        root is None
    ):  # raised here, so that no traceback carries PyYAML's exception and its quotations
        raise ConfigurationError([problem])
    return root


def _syntax_problem(error: yaml.MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}" if mark else name
    what = _without_quotations(error.problem or "cannot be read")
    if error.context:
        since = f" (line {error.context_mark.line + 1})" if error.context_mark else ""
        what += f", {_without_quotations(error.context)}{since}"
    look = "check indents, colons and quotes near this line"
    if "found character '\\t'" in what:
        look = "indent with spaces, no tabs"
    return f"{where}: is not YAML: {what}: {look}"


def _without_quotations(message: str) -> str:
    return _QUOTED.sub(lambda found: found[0] if _HARMLESS.fullmatch(found[0]) else "…", message)


def mapping_entries(node: MappingNode, refuse: Refuse) -> Iterator[tuple[str, int, Node]]:
    """Key, line and value of each entry; what is no plain key, or stands twice, is refused and left
    out.
    """
    first: dict[str, int] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, ScalarNode) else ""
        if key == "<<":
            refuse(line, "merge keys (<<) are not read here: write the settings out")
        elif not _WORD.fullmatch(key):
            refuse(
                line,
                (
                    "holds a key that is no plain word: write `key: value`, with a space after the "
                    "colon"
                ),
            )
        elif key in first:
            refuse(
                line, f"{key} stands a second time, first in line {first[key]}: remove one of them"
            )
        else:
            first[key] = line
            yield key, line, value
