"""What people read in their own language: sentences that are English as they stand, and the
catalogs that have them in others.

    Sentence("{walks} walked", walks=3)     is the str "3 walked", and knows what it is made of
    language.say(sentence)                  the same in Finnish, by gettext's catalog

A Sentence *is* its English, so whatever a program reads (JSON, records, logs) stays English without
a thought of it. Only what is shown to a person is said in a language, and only as it is shown.
Where a sentence goes through a file, it is taken apart, and put together by whoever shows it.
The catalogs are in presence/locale; how they are made: CONTRIBUTING.md.
"""

import gettext
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Final, Self

DOMAIN: Final = "presence"
LOCALE: Final = Path(__file__).parent / "locale"
SOURCE: Final = "en"
TRANSLATED: Final = ("fi", "sv")
LANGUAGES: Final = (SOURCE, *TRANSLATED)
NAMES: Final = {"en": "English", "fi": "suomi", "sv": "svenska"}
MOST_LETTERS: Final = 4000
"""Of one value that is put together: a file with five mistakes has five sentences."""
DECIMAL_COMMA: Final = str.maketrans({".": ",", ",": "\N{NO-BREAK SPACE}"})


class Sentence(str):
    """A text for people with its values by name, formatted as str.format does; values that are
    sentences themselves are said in the same language.
    """

    __slots__ = ("many", "message", "values")
    message: str
    many: str
    values: Mapping[str, Any]

    def __new__(cls, message: str, many: str = "", /, **values: Any) -> Self:
        made = super().__new__(cls, _chosen(message, many, values).format(**values))
        made.message, made.many, made.values = message, many, values
        return made

    @classmethod
    def plural(cls, one: str, many: str, number: int, /, **values: Any) -> Self:
        """`number` chooses the form, and is `{number}` in it."""
        return cls(one, many, number=number, **values)

    @classmethod
    def again(cls, message: str, many: str, values: Mapping[str, Any]) -> Self:
        """One that was taken apart."""
        return cls(message, many, **values)

    def __copy__(self) -> Self:
        """It never changes; a copy by its letters would lose what it is made of."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class Joined(Sentence):
    """Sentences one after the other, with the same between any two."""

    __slots__ = ()

    def __new__(cls, between: str, parts: Iterable[str]) -> Self:
        said = list(parts)
        made = str.__new__(cls, between.join(said))
        made.message, made.many, made.values = between, "", {"parts": said}
        return made


def _chosen(one: str, many: str, values: Mapping[str, Any]) -> str:
    return many if many and values["number"] != 1 else one


def taken_apart(text: str) -> Any:
    """As JSON can hold it: a text as it is, without what does not print."""
    if isinstance(text, Joined):
        return {"between": text.message, "parts": [*map(taken_apart, text.values["parts"])]}
    if isinstance(text, Sentence):
        values = {name: _held(value) for name, value in text.values.items()}
        return {"message": text.message, "many": text.many, "values": values}
    return "".join(letter for letter in text if _prints(letter))[:MOST_LETTERS]


def put_together(value: Any) -> str:
    """What was taken apart, whoever wrote it. Raises ValueError where a sentence is none of the
    program's, or would write something else on a terminal than letters.
    """
    match value:
        case str() if len(value) <= MOST_LETTERS and all(map(_prints, value)):
            return value
        case {"between": ": " | ", " | "; " | " " | "\n" as between, "parts": [*parts]}:
            return Joined(between, map(put_together, parts))
        case {"message": str(message), "many": str(many), "values": {**values}}:
            return _sentence(
                message,
                put_together(many),
                {str(name): _meant(each) for name, each in values.items()},
            )
        case _:
            raise ValueError("neither a text nor a sentence")


def _sentence(message: str, many: str, values: Mapping[str, Any]) -> Sentence:
    ours = gettext.translation(DOMAIN, LOCALE, [TRANSLATED[0]])
    ours.add_fallback(_Unknown())
    try:
        if many:
            ours.ngettext(message, many, values["number"])
        else:
            ours.gettext(message)
        return Sentence.again(message, many, values)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError("a sentence, or its values, are none of ours") from error


class _Unknown(gettext.NullTranslations):
    """Where a catalog has no such sentence."""

    def gettext(self, message: str) -> str:
        raise LookupError(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise LookupError(msgid1, msgid2, n)


def _held(value: Any) -> Any:
    return value if type(value) in (int, float) else taken_apart(_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, Sentence) else str(value)


def _meant(value: Any) -> Any:
    return value if type(value) in (int, float) else put_together(value)


def _prints(letter: str) -> bool:
    return letter.isprintable() or letter == "\n"


class Language(Formatter):
    """Says sentences in one language; what is no Sentence, and what no catalog has, as it is."""

    def __init__(self, code: str, catalog: gettext.NullTranslations) -> None:
        self.code = code
        self._catalog = catalog

    def say(self, text: str) -> str:
        if isinstance(text, Joined):
            return text.message.join(map(self.say, text.values["parts"]))
        if not isinstance(text, Sentence):
            return text
        if text.many:
            message = self._catalog.ngettext(text.message, text.many, text.values["number"])
        else:
            message = self._catalog.gettext(text.message)
        return self.vformat(message, (), text.values)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Numbers with the comma of the language; what a setting is called is no number here."""
        if isinstance(value, str):
            return format(self.say(value), format_spec)
        written = format(value, format_spec)
        if self.code == SOURCE or not isinstance(value, int | float):
            return written
        return written.translate(DECIMAL_COMMA)


ENGLISH: Final = Language(SOURCE, gettext.NullTranslations())


def language_named(code: str) -> Language:
    """One of LANGUAGES. Raises OSError where its catalog is not installed."""
    if code == SOURCE:
        return ENGLISH
    return Language(code, gettext.translation(DOMAIN, LOCALE, [code]))


def language_asked(environment: Mapping[str, str]) -> str:
    """In the order of gettext: LANGUAGE, LC_ALL, LC_MESSAGES, LANG; English where it is none of
    ours. Where the locale is C, LANGUAGE counts for nothing (gettext's manual, "The LANGUAGE
    variable").
    """
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "C")
    if _language(locale) in ("C", "POSIX"):
        return SOURCE
    wanted = [*environment.get("LANGUAGE", "").split(":"), locale]
    return next((code for each in wanted if (code := _language(each)) in LANGUAGES), SOURCE)


def _language(locale: str) -> str:
    """`fi_FI.UTF-8@euro` → `fi`."""
    return locale.partition(".")[0].partition("@")[0].partition("_")[0]
