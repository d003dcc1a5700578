"""Where packages come from here: the mirror, proxy and certificates that the user's settings of uv
and pip name.

The first that names an index wins: UV_DEFAULT_INDEX, UV_INDEX_URL, PIP_INDEX_URL, uv.toml,
pip.conf. Everything else (more indexes, folders, proxy, certificate, trusted hosts) is pip's, from
its variables first and then its files. Only what takes the place of the usual index (an index, or
`no-index` with folders) sends us to a mirror: uv.lock has an address for every file, so that a
second index beside the usual one has nothing to add.
"""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class UnreadableSettings(Exception):
    """The user must mend a settings file; the message names it."""


@dataclass(frozen=True)
class PackageSettings:
    """`index` None: the usual one, by the addresses in uv.lock, unless `no_index`."""

    index: str | None = None
    more_indexes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # pip's find-links: folders, or pages with links
    no_index: bool = False
    proxy: str | None = None  # pip's own, where no variable names one: that is heeded without us
    certificates: str | None = None  # a bundle in PEM
    trusted_hosts: tuple[str, ...] = ()

    @property
    def name_a_mirror(self) -> bool:
        return self.index is not None or self.no_index

    @property
    def places(self) -> tuple[str, ...]:
        """The mirror's parts, in words for the terminal: never with a password."""
        indexes = () if self.no_index else (self.index, *self.more_indexes)
        named = dict.fromkeys((*self.folders, *indexes))
        return tuple(without_password(place) for place in named if place)

    def for_uv(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What uv is told by variables: a password is nobody's business who lists the processes."""
        told = {"UV_INSECURE_HOST": " ".join(self.trusted_hosts)} if self.trusted_hosts else {}
        if self.certificates:
            told["SSL_CERT_FILE"] = self.certificates
        if self.proxy:
            told |= {"HTTPS_PROXY": self.proxy, "HTTP_PROXY": self.proxy}
        if self.name_a_mirror:
            # Every file is held to the hash in uv.lock, so it may come from any index that has it.
            told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
            told |= (
                {"UV_NO_INDEX": "true"} if self.no_index else {"UV_DEFAULT_INDEX": self.index or ""}
            )
            told |= {"UV_INDEX": " ".join(self.more_indexes)} if self.more_indexes else {}
            told |= {"UV_FIND_LINKS": ",".join(self.folders)} if self.folders else {}
        own = {name for name in told if environment.get(name)} - {"UV_DEFAULT_INDEX"}
        return {name: value for name, value in told.items() if name not in own}


def read_settings(
    environment: Mapping[str, str] = os.environ, etc: Path = Path("/etc")
) -> PackageSettings:
    """Read the variables and the files of uv and pip; raises UnreadableSettings."""
    pip = _pip_settings(environment, etc)
    indexes = (
        environment.get("UV_DEFAULT_INDEX"),
        environment.get("UV_INDEX_URL"),
        environment.get("PIP_INDEX_URL"),
        _index_in_uv_toml(environment, etc),
        pip.get("index-url"),
    )
    certificates = (
        pip.get("cert")
        or environment.get("REQUESTS_CA_BUNDLE")
        or environment.get("CURL_CA_BUNDLE")
    )
    return PackageSettings(
        index=next((index for index in indexes if index), None),
        more_indexes=tuple(pip.get("extra-index-url", "").split()),
        folders=tuple(pip.get("find-links", "").split()),
        no_index=pip.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"),
        proxy=None if any(environment.get(name) for name in PROXY_VARIABLES) else pip.get("proxy"),
        certificates=environment.get("SSL_CERT_FILE") or certificates or None,
        trusted_hosts=tuple(pip.get("trusted-host", "").split()),
    )


def without_password(address: str) -> str:
    """Give an index's address fit for a terminal."""
    scheme, mark, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or "/nonexistent")


def _config_home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CONFIG_HOME") or _home(environment) / ".config")


def _config_folders(environment: Mapping[str, str], etc: Path) -> list[Path]:
    """Those of the whole machine, the most important first."""
    return [
        Path(folder)
        for folder in (environment.get("XDG_CONFIG_DIRS") or f"{etc}/xdg").split(os.pathsep)
    ]


def _pip_settings(environment: Mapping[str, str], etc: Path) -> dict[str, str]:
    """Pip's order: [global], then [install], then variables; within a section, a later file has the
    last word.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _pip_files(environment, etc):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error
        for section, found in sections.items():
            if parser.has_section(section):
                found |= {_pip_key(name): value.strip() for name, value in parser.items(section)}
    variables = {
        _pip_key(name.removeprefix("PIP_")): value
        for name, value in environment.items()
        if name.startswith("PIP_")
    }
    return sections["global"] | sections["install"] | variables


def _pip_key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _pip_files(environment: Mapping[str, str], etc: Path) -> list[Path]:
    """As pip reads them: a file named by PIP_CONFIG_FILE takes the place of the user's, /dev/null
    of all.
    """
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    files = [folder / "pip" / "pip.conf" for folder in _config_folders(environment, etc)] + [
        etc / "pip.conf"
    ]
    if not (named and Path(named).exists()):
        files += [
            _home(environment) / ".pip" / "pip.conf",
            _config_home(environment) / "pip" / "pip.conf",
        ]
    return [*files, Path(named)] if named else files


def _index_in_uv_toml(environment: Mapping[str, str], etc: Path) -> str | None:
    """Name the default index of the first uv.toml that has one: the user's, then the machine's."""
    import tomllib  # noqa: PLC0415  (30 ms, and mostly there is no such file)

    named = environment.get("UV_CONFIG_FILE")
    folders = [_config_home(environment), *_config_folders(environment, etc), etc]
    for path in [Path(named)] if named else [folder / "uv" / "uv.toml" for folder in folders]:
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        listed = [
            index["url"]
            for index in settings.get("index", [])
            if index.get("default") and "url" in index
        ]
        for index in (*listed, settings.get("index-url"), settings.get("pip", {}).get("index-url")):
            if index:
                return str(index)
    return None


def _unreadable(path: Path, error: Exception) -> UnreadableSettings:
    reason = " ".join(str(error).split())
    return UnreadableSettings(f"{path}: {reason}. Next step: mend this file, then start again.")


def address_of(index: str) -> str:
    """Give uv's `name=address`, or a folder's path, as an address."""
    address = re.sub(r"^[\w.-]+=(?=\w+:|/)", "", index)
    return address if re.match(r"\w+:", address) else Path(address).expanduser().resolve().as_uri()
