"""Find code that is unused once some functions are deleted, by reading the source.

A definition uses every name in it that its module defines or imports. A local variable of the same
name counts as a use, so code stays if its use is in doubt.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Name = tuple[str, str]
"""A module and a name in it. The empty name is the code that runs on import."""
_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """The unused definitions of a file; if `whole`, the file has no others."""

    file: str
    names: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class _Module:
    file: str
    defined: Collection[str]
    uses: Mapping[str, frozenset[Name]]
    """The names that each name uses: those in a definition, or the imported one."""


class Code:
    """The modules of a `package` in the folder `root`."""

    def __init__(self, root: Path, package: str) -> None:
        files = {
            _module_name(path.relative_to(root)): path
            for path in sorted((root / package).rglob("*.py"))
        }
        self._modules = {
            name: _read(name, path.relative_to(root), ast.parse(path.read_text()), files)
            for name, path in files.items()
        }

    def unused_without(self, gone: Collection[Name], below: str) -> list[Unused]:
        """Return the code of the package `below` that only the names in `gone` use."""
        inside = [name for name in self._modules if f"{name}.".startswith(f"{below}.")]
        outside = self._modules.keys() - set(inside)
        roots = ((module, name) for module in outside for name in self._modules[module].uses)
        needed = self._reach(roots, without=gone)
        free = self._reach(gone, without=()) - needed
        return [found for module in inside if (found := self._unused(module, free, needed))]

    def _unused(self, name: str, free: set[Name], needed: set[Name]) -> Unused | None:
        module = self._modules[name]
        names = tuple(each for each in module.defined if (name, each) in free)
        whole = not any((name, each) in needed for each in module.defined)
        return Unused(file=module.file, names=names, whole=whole) if names else None

    def _reach(self, start: Iterable[Name], without: Collection[Name]) -> set[Name]:
        """Return all names that `start` uses, directly or not, except through `without`."""
        found: set[Name] = set()
        waiting = list(start)
        while waiting:
            module, name = used = waiting.pop()
            if used not in found and used not in without and module in self._modules:
                found.add(used)
                waiting += self._modules[module].uses.get(name, ())
        return found


def _module_name(path: Path) -> str:
    return ".".join(part for part in path.with_suffix("").parts if part != "__init__")


def _read(name: str, path: Path, tree: ast.Module, modules: Collection[str]) -> _Module:
    statements = [(_bound(statement), statement) for statement in tree.body]
    imported = {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    defined = [each for names, _ in statements for each in names]
    known = {each: (name, each) for each in defined} | imported
    uses = {local: frozenset({target}) for local, target in imported.items()}
    for names, statement in statements:
        used = frozenset(_names_in(statement, known, modules))
        for each in names or ("",):
            uses[each] = uses.get(each, frozenset()) | used
    return _Module(path.as_posix(), defined, uses)


def _bound(statement: ast.stmt) -> tuple[str, ...]:
    """Return the names that a statement of a module defines."""
    if isinstance(statement, _DEFINITIONS):
        return (statement.name,)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return tuple(target.id for target in targets if isinstance(target, ast.Name))
    return ()


def _names_in(
    statement: ast.stmt, known: Mapping[str, Name], modules: Collection[str]
) -> Iterator[Name]:
    """Yield the names that a statement uses, also those written as `module.name`."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and node.id in known:
            yield known[node.id]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = ".".join(known.get(node.value.id, ()))
            if module in modules:
                yield module, node.attr
