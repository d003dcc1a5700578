"""What is installed from the wheel is whole: the command answers, and the data files came along."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from presence import __version__
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has our wheel, and finds its dependencies among those of the
    checkout.
    """
    environment = tmp_path_factory.mktemp("installed") / "venv"
    uv("venv", "--python", sys.executable, environment)
    uv("pip", "install", "--no-deps", "--python", environment / "bin" / "python", wheel)
    (site_packages,) = environment.glob("lib/python3.*/site-packages")
    # its own .pth files are not read, so neither is our checkout
    dependencies = f"{sysconfig.get_path('purelib')}\n"
    (site_packages / "dependencies.pth").write_text(dependencies, encoding="utf-8")
    return environment / "bin"


def run(command: Path, *arguments: str, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [command, *arguments], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


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


def test_the_schemas_of_the_contract_are_found_as_package_data(
    installed: Path, tmp_path: Path
) -> None:
    question = (
        "from importlib.resources import files;"
        "print(*sorted(file.name for file in files('presence').joinpath('schemas').iterdir()))"
    )
    shipped = run(installed / "python", "-c", question, cwd=tmp_path).split()
    assert shipped == ["entered-1.0.json", "left-1.0.json", "state-1.0.json", "withdrawn-1.0.json"]


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    files = (path.relative_to(ROOT) for path in PACKAGE.rglob("*") if path.is_file())
    wanted = {
        file.as_posix()
        for file in files
        if not any(part.startswith((".", "__pycache__")) for part in file.parts)
    }
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(wanted - NOT_SHIPPED - set(archive.namelist())) == []


def test_the_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "presence",
        f"presence-{__version__}.dist-info",
    }
    assert not NOT_SHIPPED & set(names)
