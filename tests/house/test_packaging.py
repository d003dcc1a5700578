"""What the wheels install is whole, and nothing that keeps identity keys is on a gateway."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from presence import __version__
from tests.support.contract import schema_names
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

PACKAGE = ROOT / "presence"
TOOLS = Path(sys.executable).parent
NOT_SHIPPED = {"presence/core/ruff.toml"}


def uv(*arguments: str | Path) -> str:
    """Run the locked uv; it reaches no index."""
    command = [TOOLS / "uv", "--offline", "--no-progress", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels of this tree, by their names."""
    folder = tmp_path_factory.mktemp("wheels")
    build = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    for project in (ROOT, ROOT / "scripts" / "consents_wheel"):
        uv(*build, "--out-dir", folder, project)
    return {file.name.partition("-")[0]: file for file in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def wheel(wheels: dict[str, Path]) -> Path:
    """The gateway's."""
    return wheels["presence"]


def install(environment: Path, *wheels: Path) -> Path:
    """The `bin` of an environment that has these wheels, and finds their dependencies among those
    of the checkout.
    """
    uv("venv", "--python", sys.executable, environment)
    uv("pip", "install", "--no-deps", "--python", environment / "bin" / "python", *wheels)
    (site_packages,) = environment.glob("lib/python3.*/site-packages")
    # its own .pth files are not read, so neither is our checkout
    dependencies = f"{sysconfig.get_path('purelib')}\n"
    (site_packages / "dependencies.pth").write_text(dependencies, encoding="utf-8")
    return environment / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway's environment."""
    return install(tmp_path_factory.mktemp("gateway") / "venv", wheel)


@pytest.fixture(scope="module")
def chain(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment on the chain's machine."""
    return install(tmp_path_factory.mktemp("chain") / "venv", *wheels.values())


def run(command: Path, *arguments: str, cwd: Path, code: int = 0) -> str:
    """What it said, on both streams."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [command, *arguments], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return (done.stdout + done.stderr).strip()


def test_the_installed_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "presence", "--version", cwd=tmp_path) == f"presence {__version__}"


def test_the_package_is_imported_from_the_wheel_and_not_from_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    where = run(
        installed / "python", "-c", "import presence; print(presence.__file__)", cwd=tmp_path
    )
    assert Path(where).is_relative_to(installed.parent)


def test_the_annotated_configuration_is_found_as_package_data(
    installed: Path, tmp_path: Path
) -> None:
    question = (
        "from importlib.resources import files;"
        "print(files('presence').joinpath('data', 'presence.yaml').read_text(encoding='utf-8'))"
    )
    shipped = run(installed / "python", "-c", question, cwd=tmp_path)
    assert shipped == (ROOT / "config" / "presence.yaml").read_text(encoding="utf-8").strip()


def test_an_installed_gateway_speaks_finnish_and_swedish(installed: Path, tmp_path: Path) -> None:
    visit = ("scan-test", "--simulated", "--yes", "--speed", "1000", "--steps", "radio")
    assert "kuuleeko se?" in run(installed / "presence", *visit, "--language", "fi", cwd=tmp_path)
    assert "hör den?" in run(installed / "presence", *visit, "--language", "sv", cwd=tmp_path)


def test_the_schemas_of_the_contract_are_found_as_package_data(
    installed: Path, tmp_path: Path
) -> None:
    question = (
        "from importlib.resources import files;"
        "print(*sorted(file.name for file in files('presence').joinpath('schemas').iterdir()))"
    )
    shipped = run(installed / "python", "-c", question, cwd=tmp_path).split()
    assert shipped == [f"{name}.json" for name in schema_names()]


def test_every_file_of_the_package_is_in_one_of_the_wheels(wheels: dict[str, Path]) -> None:
    files = (path.relative_to(ROOT) for path in PACKAGE.rglob("*") if path.is_file())
    wanted = {
        file.as_posix()
        for file in files
        if not any(part.startswith((".", "__pycache__")) for part in file.parts)
    }
    gateways, consents = (names_in(wheels[name]) for name in ("presence", "presence_consents"))
    assert sorted(wanted - NOT_SHIPPED - gateways - consents) == []
    assert gateways & consents == set()


def test_the_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    names = names_in(wheel)
    assert {name.partition("/")[0] for name in names} == {
        "presence",
        f"presence-{__version__}.dist-info",
    }
    assert not NOT_SHIPPED & set(names)


def test_what_keeps_identity_keys_is_in_the_wheel_of_the_chain_alone(
    wheels: dict[str, Path],
) -> None:
    keepers = ("presence/consent_service/", "presence/cli/consents/")
    assert [name for name in names_in(wheels["presence"]) if name.startswith(keepers)] == []
    consents = names_in(wheels["presence_consents"])
    about = f"presence_consents-{__version__}.dist-info"
    assert {name for name in consents if not name.startswith(keepers)} == {
        "presence/data/presence-consents/LICENSE",
        *(f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
    }


def test_on_a_gateway_only_the_stage_knows_of_identity_keys_and_the_daemon_knows_no_stage(
    wheel: Path, installed: Path, tmp_path: Path
) -> None:
    stage = ("demo", "simulation", "survey")
    with zipfile.ZipFile(wheel) as archive:
        code = [name for name in archive.namelist() if name.endswith(".py")]
        knowing = {name for name in code if b"identity_key" in archive.read(name)}
    assert {name.split("/")[1] for name in knowing} == set(stage)
    question = "import sys, presence.cli.run; print(*sys.modules)"
    imported = run(installed / "python", "-c", question, cwd=tmp_path).split()
    assert "presence.core.engine" in imported
    assert [
        name for name in imported if name.startswith(tuple(f"presence.{s}" for s in stage))
    ] == []


def test_the_wheel_of_the_chain_wants_the_gateways_of_the_same_version(
    wheels: dict[str, Path],
) -> None:
    with zipfile.ZipFile(wheels["presence_consents"]) as archive:
        said = archive.read(f"presence_consents-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in said
    assert f"\nRequires-Dist: presence=={__version__}\n" in said


def test_on_a_gateway_every_other_command_is_there_and_consents_says_what_to_install(
    installed: Path, tmp_path: Path
) -> None:
    question = (
        "from importlib.util import find_spec;"
        "import presence.cli.run, presence.cli.check, presence.cli.demo, presence.cli.scan_test;"
        "print(find_spec('presence.consent_service'), find_spec('presence.cli.consents'))"
    )
    assert run(installed / "python", "-c", question, cwd=tmp_path) == "None None"
    assert "PASS" in run(installed / "presence", "check", "--help", cwd=tmp_path)
    shown = run(installed / "presence", "--help", cwd=tmp_path)
    assert "(not installed here)" in " ".join(shown.split())
    for typed in (["init", "--list", "acme/fi-0042"], ["--help"], []):
        said = run(installed / "presence", "consents", *typed, cwd=tmp_path, code=69)
        assert f"presence-consents {__version__}" in said
    assert list(tmp_path.iterdir()) == []


def test_with_both_wheels_a_list_is_begun(chain: Path, tmp_path: Path) -> None:
    run(chain / "presence", "consents", "init", "--list", "acme/fi-0042", cwd=tmp_path)
    assert (tmp_path / "consents" / "repository" / "metadata" / "1.root.json").is_file()


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())
