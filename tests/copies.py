"""A copy of the source tree that a test may change, and commands that run in it."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from detection_api.rollout.retirement import goes_with
from tests.world import ROUTES

ROOT = Path(__file__).parents[1]
COPIED = (
    *("benchmarks", "deploy", "docs", "migrations", "src", "tests"),
    *("README.md", "README.zh-CN.md", "pyproject.toml", "ruff.toml", "setup.cfg"),
    *("Makefile", "gunicorn.conf.py", "wsgi.py"),
)


def environ_of_copies() -> dict[str, str]:
    """Return the environment for processes that run a copy of the code.

    It lacks pytest's and coverage's variables: a copy would count as code that no test reaches.
    """
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV"))}


class Copy:
    """The source tree, copied into `folder`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.root.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.root / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy(ROOT / name, self.root)

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace the only occurrence of `old` in a file."""
        path = self.root / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a Python module in the copy, with the code of the copy."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env={**environ_of_copies(), "PYTHONPATH": str(self.root / "src")},
            check=False,
            capture_output=True,
            text=True,
        )

    def finish(self, *endpoints: str) -> None:
        """Finish migrations by the steps of docs/retirement.md."""
        for endpoint in endpoints:
            blueprint, _, name = endpoint.partition(".")
            file = f"src/detection_api/blueprints/{blueprint}.py"
            self.replace(file, f"legacy=legacy.{name},", "legacy=None,")
        for unused in goes_with(*(ROUTES[endpoint] for endpoint in endpoints)):
            path = self.root / "src" / unused.file
            module = ".".join(path.with_suffix("").parts[-3:])
            if unused.whole:
                path.unlink()
            else:
                _delete(path, unused.names)
            self._delete_tests(module, unused.names)
        fixed = self.run("ruff", "check", "--quiet", "--fix", "--select=F401,I001", "src", "tests")
        assert fixed.returncode == 0, fixed.stdout

    def _delete_tests(self, module: str, names: Iterable[str]) -> None:
        """Delete the tests of legacy that use what is gone."""
        package, _, last = module.rpartition(".")
        for path in (self.root / "tests/legacy").glob("test_*.py"):
            if f"from {package} import {last}" in path.read_text():
                used = {f"{last}.{name}" for name in names}
                _delete(path, _users(path, used))


def _users(path: Path, used: set[str]) -> set[str]:
    """Return the functions of a file that use one of these names, directly or through another."""
    functions = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    users: set[str] = set()
    while found := {
        function.name
        for function in functions
        if function.name not in users
        and any(ast.unparse(node) in used | users for node in ast.walk(function))
    }:
        users |= found
    return users


def _delete(path: Path, names: Iterable[str]) -> None:
    """Delete definitions from a file, with their decorators and the text that describes them."""
    lines = path.read_text().splitlines(keepends=True)
    body = ast.parse("".join(lines)).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if _defined(node) & set(names):
            first = min((each.lineno for each in getattr(node, "decorator_list", [])), default=0)
            end = node.end_lineno or node.lineno
            is_described = isinstance(node, ast.Assign | ast.AnnAssign) and _is_text(after)
            if after is not None and is_described:
                end = after.end_lineno or after.lineno
            start = first or node.lineno
            lines[start - 1 : end] = [""] * (end - start + 1)
    path.write_text("".join(lines))


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
