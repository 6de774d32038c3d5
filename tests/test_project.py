"""The project's frame: what is declared, locked, packaged and written agrees with itself."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from volition.service import cli
from volition.service.gateway.pages import PAGES

ROOMS = ("benchmarks", "decoders", "models", "service", "streams")
LOCKS = ("bench", "build", "dev", "runtime", "train")
#: Locks of what does not go beside the rest, and need not agree with it.
PEER_LOCKS = ("client-generator", "peer-timeflux")
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "decoders",
    "docker",
    "docs",
    "examples",
    "models",
    "pyproject.toml",
    "service",
    "src",
    "streams",
    "tests",
}
#: The pages and, where it was built, the documentation.
BUILT = ("volition/service/web/dist/", "volition/service/web/docs/")
#: Commands that the example of a plugin and the recipes of CONTRIBUTING.md add.
ADDED_BY_EXAMPLES = {"rhythm", "when"}
# In pieces, so that this file does not hold what it looks for.
INDEX_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com")
MACHINE_FOLDERS = ("/ro" + "ot/", "/wo" + "rk/", "/tmp" + "/v/", "/opt/" + "wheels")
WALK_STREAMS = """
import importlib, pkgutil
from volition import streams
for module in pkgutil.walk_packages(streams.__path__, "volition.streams."):
    importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """Files under version control, relative to the repository."""
    if not (repository / ".git").exists():
        pytest.skip("needs a git checkout: what belongs to the project cannot be told")
    if shutil.which("git") is None:
        pytest.skip("needs git: what belongs to the project cannot be told")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, check=False, capture_output=True, text=True
    )
    if listing.returncode:  # as where the checkout is another user's
        pytest.skip(f"needs a git checkout: {listing.stderr.strip()}")
    names = listing.stdout.split("\0")
    return [Path(name) for name in names if name and (repository / name).exists()]


@pytest.fixture(scope="module")
def pyproject(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def declared(pyproject: dict[str, Any]) -> dict[str, list[Requirement]]:
    """Direct dependencies: those of running, and each extra's."""
    project = pyproject["project"]
    groups = {"Running": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def read_lock(repository: Path, name: str) -> dict[str, tuple[str, str]]:
    """Give version and the text of its hashes for each package that a lock pins."""
    text = (repository / ".ci" / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.findall(
        r"^([A-Za-z0-9._-]+)==(\S+)((?:.*\\\n)(?:\s+--hash=.*\n)*)", text, re.MULTILINE
    )
    return {canonicalize_name(package): (pin, hashes) for package, pin, hashes in entries}


def test_the_top_level_holds_what_the_layout_says_and_no_more(tracked: list[Path]) -> None:
    assert {path.parts[0] for path in tracked} <= TOP_LEVEL


def test_no_file_holds_a_package_index_or_a_folder_of_one_machine(
    repository: Path, tracked: list[Path]
) -> None:
    found = []
    for path in tracked:
        content = (repository / path).read_bytes() if not (repository / path).is_dir() else b""
        if b"\0" in content:
            continue
        text = content.decode("utf-8")
        found += [(str(path), word) for word in (*INDEX_HOSTS, *MACHINE_FOLDERS) if word in text]
    assert not found


def test_the_dependencies_page_explains_every_dependency_and_no_other(
    repository: Path, declared: dict[str, list[Requirement]]
) -> None:
    page = (repository / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained: dict[str, list[str]] = {}
    for section in page.split("\n## ")[1:]:
        rows = re.findall(r"^\| ([a-z0-9-]+) \| (\S.*\S) \| (\S.*\S) \|$", section, re.MULTILINE)
        explained[section.splitlines()[0]] = [name for name, _, _ in rows if name != "package"]

    expected = {
        group: sorted(canonicalize_name(requirement.name) for requirement in requirements)
        for group, requirements in declared.items()
    }
    assert explained == expected


@pytest.mark.parametrize("name", [*LOCKS, *PEER_LOCKS])
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(
    repository: Path, name: str
) -> None:
    text = (repository / ".ci" / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    pinned = read_lock(repository, name)

    named = re.findall(r"^([A-Za-z0-9._-]+)", text, re.MULTILINE)
    assert sorted(map(canonicalize_name, named)) == sorted(pinned)
    assert all("--hash=sha256:" in hashes for _, hashes in pinned.values())
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_agree_on_every_version(repository: Path, name: str) -> None:
    pinned = read_lock(repository, name)
    for other in LOCKS:
        versions = read_lock(repository, other)
        shared = pinned.keys() & versions.keys()
        assert {p: pinned[p][0] for p in shared} == {p: versions[p][0] for p in shared}


@pytest.mark.parametrize(
    ("group", "lock"),
    [("Running", "runtime"), ("dev", "dev"), ("bench", "bench"), ("train", "train")],
)
def test_a_lock_holds_what_pyproject_demands(
    repository: Path, declared: dict[str, list[Requirement]], group: str, lock: str
) -> None:
    pinned = read_lock(repository, lock)
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    torch = re.search(r"^TORCH := (\S+)$", makefile, re.MULTILINE)
    assert torch is not None
    pinned["torch"] = (torch[1], "")  # installed beside its lock, by version

    for requirement in declared["Running"] + declared[group]:
        version = Version(pinned[canonicalize_name(requirement.name)][0])
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_the_build_backend_is_locked(repository: Path, pyproject: dict[str, Any]) -> None:
    for name in ("build", "dev"):
        pinned = read_lock(repository, name)
        for line in pyproject["build-system"]["requires"]:
            requirement = Requirement(line)
            assert requirement.specifier.contains(pinned[requirement.name][0])
        assert "editables" in pinned


def test_the_changelog_knows_the_version(repository: Path, pyproject: dict[str, Any]) -> None:
    version = pyproject["project"]["version"]
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(\S+)\](?: - \d{4}-\d\d-\d\d)?$", changelog, re.MULTILINE)

    assert importlib.metadata.version("volition") == version
    assert headings[0] == "Unreleased"
    assert headings[1:] == sorted(headings[1:], key=Version, reverse=True)
    # Until the first release the version is the one that is being made.
    assert version in headings or headings == ["Unreleased"]


def test_the_citation_names_the_version_and_the_licence(
    repository: Path, pyproject: dict[str, Any]
) -> None:
    cited = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))

    assert cited["version"] == pyproject["project"]["version"]
    assert cited["license"] == pyproject["project"]["license"]


def packed_from(folder: Path, target: str, into: Path) -> Path:
    """Have hatchling make a wheel or a source archive of a folder."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (made,) = into.iterdir()
    return made


def digests_in(wheel: Path) -> dict[str, int]:
    """Give the checksum of each file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_from(repository, "wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(
    wheel: Path, tracked: list[Path]
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read(next(n for n in archive.namelist() if "entry_points" in n))

    # A wheel holds the pages as built, not what they are built from.
    rooms = {f"volition/{path.as_posix()}" for path in tracked if path.parts[0] in ROOMS}
    shared = {path.as_posix()[4:] for path in tracked if path.parts[:2] == ("src", "volition")}
    expected = rooms | shared - {f"volition/{room}" for room in ROOMS}
    pages = {name for name in expected if name.startswith("volition/service/web/")}
    assert expected - pages <= packed
    assert not pages & packed
    built = {name for name in packed if name.startswith("volition/service/web/")}
    assert {f"volition/service/web/dist/{page}" for page in PAGES.values()} <= built
    assert all(name.startswith(BUILT) for name in built)
    assert {name.split("/")[0] for name in packed} == {"volition"}
    assert not [name for name in packed if name.endswith((".pyc", ".log"))]
    assert b"volition = volition.service.cli:main" in entry_points


def test_the_source_archive_holds_each_file_once_and_makes_the_same_wheel(
    repository: Path, wheel: Path, tracked: list[Path], tmp_path: Path
) -> None:
    source = packed_from(repository, "sdist", tmp_path / "archive")
    with tarfile.open(source) as archive:
        members = archive.getmembers()
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()

    packed = [member.name.removeprefix(f"{unpacked.name}/") for member in members]
    rooms = {f"src/volition/{path.as_posix()}" for path in tracked if path.parts[0] in ROOMS}
    shared = {path.as_posix() for path in tracked if path.parts[0] == "src"}
    expected = rooms | shared - {f"src/volition/{room}" for room in ROOMS}
    below = [name for name in packed if name.startswith("src/")]
    built = [name for name in below if name.removeprefix("src/").startswith(BUILT)]
    assert sorted(below) == sorted([*expected, *built])
    assert built
    assert not [name for name in packed if name.split("/")[0] in ROOMS]
    assert all(member.isfile() for member in members)
    assert digests_in(packed_from(unpacked, "wheel", tmp_path / "wheel")) == digests_in(wheel)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (
            WALK_STREAMS,
            {
                "pylsl",
                "volition.decoders",
                "volition.service",
                "fastapi",
                "torch",
                "scipy.signal",
            },
        ),
        (
            "from volition.decoders import registry as it\nit.stages()\nit.decoders_by_kind()",
            {"pylsl", "pyxdf", "volition.service", "fastapi", "uvicorn", "torch", "onnx"},
        ),
        (
            "import volition.service.worker.loop",
            {
                "fastapi",
                "starlette",
                "uvicorn",
                "typer",
                "rich",
                "torch",
                "volition.benchmarks",
                "pylsl",
            },
        ),
        (
            "import volition.service.gateway.serve, volition.service.gateway.app",
            {"torch", "onnx", "volition.benchmarks", "pylsl", "scipy.linalg", "scipy.signal"},
        ),
        (
            "import volition.service.client",
            {
                "fastapi",
                "numpy",
                "onnxruntime",
                "pylsl",
                "scipy",
                "starlette",
                "structlog",
                "uvicorn",
                "yaml",
                "volition.decoders.registry",
                "volition.service.sessions.config",
                "volition.streams",
            },
        ),
    ],
    ids=["streams", "decoders", "the worker", "the gateway", "the client"],
)
def test_importing_a_room_loads_nothing_that_it_must_not(
    repository: Path, statement: str, absent: set[str]
) -> None:
    report = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert not absent & set(report.split())


def test_every_link_between_the_documents_leads_somewhere(
    repository: Path, tracked: list[Path]
) -> None:
    broken = []
    for path in tracked:
        if path.suffix != ".md":
            continue
        page = repository / path
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        here = [target for target in targets if "://" not in target]
        broken += [(str(path), target) for target in here if not (page.parent / target).exists()]
    assert not broken


def test_every_make_target_that_the_documents_name_exists(
    repository: Path, tracked: list[Path]
) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    unknown = []
    for path in tracked:
        if path.suffix == ".md":
            text = (repository / path).read_text(encoding="utf-8")
            named = re.findall(r"(?:`|^\s*|&& )make ([a-z]+)", text, re.MULTILINE)
            unknown += [(str(path), name) for name in named if name not in targets]
    assert not unknown
    assert targets >= {"venv", "demo", "test", "check", "serve", "bench", "lock", "clean"}


def test_every_command_that_the_documents_name_exists(
    repository: Path, tracked: list[Path]
) -> None:
    known = {*typer.main.get_group(cli.app()).commands, *ADDED_BY_EXAMPLES}
    unknown = []
    for path in tracked:
        if path.suffix in (".md", ".yaml"):
            text = (repository / path).read_text(encoding="utf-8")
            named = re.findall(r"(?:`|^\s*|&& |bin/)volition ([a-z]+)", text, re.MULTILINE)
            unknown += [(str(path), name) for name in named if name not in known]
    assert not unknown


def test_continuous_integration_runs_the_checks_and_every_test(repository: Path) -> None:
    script = repository / ".ci" / "run"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert re.search(r"^PYTHON=\S+ \S+ make test$", script.read_text("utf-8"), re.MULTILINE)

    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", "test"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    steps = ["ruff format --check", "ruff check", "mypy", "lint-imports", "pytest"]
    assert [step for step in steps if step in recipe] == steps


def test_every_file_that_the_documents_name_exists(repository: Path, tracked: list[Path]) -> None:
    rooms = "|".join((*ROOMS, "src", "tests", "docs", "examples", "docker"))
    missing = []
    for path in tracked:
        if path.suffix != ".md" or path.name in ("CHANGELOG.md", "CONTRIBUTING.md"):
            continue  # one tells of the past, the other of files to write
        text = (repository / path).read_text(encoding="utf-8")
        named = re.findall(rf"`((?:{rooms})/[\w./-]*\w/?)`", text)
        real = [name for name in named if "KIND" not in name and "NAME" not in name]  # of any
        missing += [(str(path), name) for name in real if not (repository / name).exists()]
    assert not missing


def test_each_promise_of_the_threat_model_stands_beside_a_test_that_is_there(
    repository: Path,
) -> None:
    text = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.partition("## Against whom")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")]
    promises = rows[1:]
    assert len(promises) > 30
    for threat, _, held_by in promises:
        tests = re.findall(r"`(tests/[\w/]+\.py)`", held_by)
        assert tests, threat
        assert all((repository / name).is_file() for name in tests), held_by
