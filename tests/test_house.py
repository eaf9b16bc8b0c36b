"""The house itself: who imports whom, how long things are, what is documented, and what an import costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

import offlinepin
from offlinepin import errors

ROOT = Path(__file__).parent.parent
PLUGINS = tuple(sorted(path.name for path in (ROOT / "vendors").glob("offlinepin_*")))
PACKAGES = [ROOT / "offlinepin", *(ROOT / "vendors" / name for name in PLUGINS)]
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module", params=SOURCES, ids=_name)
def source(request: pytest.FixtureRequest) -> tuple[Path, ast.Module]:
    """Each module of the library and of the plug-ins."""
    return request.param, ast.parse(request.param.read_text())


# --- rooms --------------------------------------------------------------------------------------------------------


def test_each_room_imports_only_what_stands_below_it() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([lint, "--no-cache", "--config", ROOT / ".importlinter"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert re.search(r"\b4 kept, 0 broken", found.stdout)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every import; the name is empty where a whole module is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_nothing_is_imported_that_a_room_keeps_for_itself(source: tuple[Path, ast.Module]) -> None:
    """In particular, a plug-in uses the library's public names only. A package's own parts may use its private modules."""
    path, tree = source
    home = ".".join(path.relative_to(ROOT / "vendors" if "vendors" in path.parts else ROOT).parent.parts)
    for module, name in _imports(tree):
        if module.split(".")[0].startswith("offlinepin") and name != "__version__":
            full = f"{module}.{name}".rstrip(".")
            private = any(part.startswith("_") for part in full.split("."))
            assert not private or full.split("._")[0] == home, full


def test_the_library_does_not_use_its_own_face(source: tuple[Path, ast.Module]) -> None:
    """``from offlinepin import …`` inside the library would load every room for any of them."""
    path, tree = source
    inside = path.is_relative_to(ROOT / "offlinepin") and "cli" not in path.parts
    if inside:
        assert [name for module, name in _imports(tree) if module == "offlinepin"] == []


def test_the_engine_needs_the_standard_library_pydantic_and_the_errors_only() -> None:
    allowed = {*sys.stdlib_module_names, "pydantic"}
    for path in (ROOT / "offlinepin" / "engine").glob("*.py"):
        for module, _ in _imports(ast.parse(path.read_text())):
            assert module.split(".")[0] in allowed or module.startswith(("offlinepin.engine", "offlinepin.errors")), (path.name, module)


# --- lengths ------------------------------------------------------------------------------------------------------


def test_no_module_is_longer_than_400_lines(source: tuple[Path, ast.Module]) -> None:
    assert len(source[0].read_text().splitlines()) <= 400


def test_no_function_is_longer_than_50_lines_beside_its_docstring(source: tuple[Path, ast.Module]) -> None:
    for node in ast.walk(source[1]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
            words = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            assert (node.end_lineno or 0) - node.lineno + 1 - words <= 50, node.name


# --- docstrings ---------------------------------------------------------------------------------------------------


def _undocumented(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Public classes and functions without a docstring; what stands inside a function is nobody else's."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            overload = any(ast.unparse(d).endswith(("overload", ".setter")) for d in node.decorator_list)
            if not ast.get_docstring(node) and not overload:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from _undocumented(node, f"{node.name}.")


def test_every_module_and_every_public_class_and_function_has_a_docstring(source: tuple[Path, ast.Module]) -> None:
    _, tree = source
    assert ast.get_docstring(tree)
    assert list(_undocumented(tree)) == []


def test_the_face_shows_what_it_says_and_every_name_is_documented() -> None:
    assert sorted(offlinepin.__all__, key=str.lower) == sorted(set(offlinepin.__all__), key=str.lower)
    public = {name for name, value in vars(offlinepin).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert public == set(offlinepin.__all__) - {"__version__"}
    for name in public:
        assert inspect.getdoc(getattr(offlinepin, name))


# --- errors -------------------------------------------------------------------------------------------------------


def _tree(root: type[errors.OfflinepinError]) -> Iterator[type[errors.OfflinepinError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def test_every_error_has_a_code_of_its_own_and_a_docstring() -> None:
    for module in pkgutil.walk_packages(offlinepin.__path__, "offlinepin.", onerror=lambda _: None):
        with suppress(ModuleNotFoundError):  # of an extra that is not installed
            importlib.import_module(module.name)
    found = [c for c in set(_tree(errors.OfflinepinError)) if c.__module__.startswith("offlinepin.")]
    assert len(found) > 30
    assert {c.__module__.rpartition(".")[2] for c in found if not c.__name__.startswith("_")} == {"errors"}
    assert {c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, BaseException)} <= set(found)
    codes = {c: c.__dict__.get("code") for c in found}
    assert all(isinstance(code, str) and re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes.values()), codes
    assert len(set(codes.values())) == len(codes)
    assert all("__doc__" in c.__dict__ and c.__doc__ for c in found)


def test_no_error_is_one_that_pydantic_would_swallow() -> None:
    assert not any(issubclass(c, ValueError | AssertionError) for c in _tree(errors.OfflinepinError))


def test_an_error_s_message_is_its_text() -> None:
    assert errors.RequestError("what was wrong").message == str(errors.RequestError("what was wrong")) == "what was wrong"
    assert errors.ProfileError("", "it is empty").message == "profile member (document): it is empty"


# --- what an import costs -----------------------------------------------------------------------------------------

_CORE = {"offlinepin", "cryptography", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection", "cffi"}


def test_importing_the_library_loads_nothing_but_its_two_dependencies() -> None:
    code = "import sys; before = set(sys.modules); import offlinepin, json; print(json.dumps(sorted(set(sys.modules) - before)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout)
    roots = {name.split(".")[0] for name in loaded}
    private = {name for name in roots if name.startswith("_")}  # compiled parts, and the import hooks of an editable installation
    assert roots - private - set(sys.stdlib_module_names) <= _CORE
    assert roots.isdisjoint({"typer", "click", "rich", "icalendar", "sqlalchemy", "fastapi", "pyarrow", "hypothesis", "pytest", "tzdata"})
    assert roots.isdisjoint(PLUGINS)  # plug-ins are loaded when they are asked for


@pytest.mark.skipif(os.environ.get("OFFLINEPIN_TEST_INSTALLED") != "1", reason="only where a wheel is installed")
def test_the_tests_run_against_the_installed_wheel() -> None:
    for name in ("offlinepin", *PLUGINS):
        module = importlib.import_module(name)
        assert module.__file__ is not None
        here = Path(module.__file__).resolve()
        assert not any(here.is_relative_to(package.resolve()) for package in PACKAGES)
        assert (here.parent / "py.typed").exists()
