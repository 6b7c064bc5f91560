"""What may be deleted with a function is what nothing else uses."""

from pathlib import Path

import pytest

from detection_api.rollout.retirement.unused_code import Code, Unused

OLD = "shop.old"
FILES = {
    "__init__.py": "",
    "views.py": "from shop.old import goods, prices\nROUTES = [goods.one, prices.all_of_them]\n",
    "app.py": "from shop.old.goods import configure\nconfigure()\n",
    "old/__init__.py": '"""Old."""\n',
    "old/goods.py": (
        "from shop.old.files import read, write\n"
        "LIMIT: int = 3\n"
        "UNITS, RATES = {}, {}\n"
        "def configure(): write(RATES)\n"
        "def one(): return _shown(read(LIMIT))\n"
        "def _shown(good): return UNITS[good]\n"
    ),
    "old/prices.py": (
        "from shop.old import files\n"
        "class Price:\n"
        "    def __init__(self): self.all = files.scan()\n"
        "async def all_of_them(): return Price()\n"
    ),
    "old/files.py": "def read(n): return n\ndef write(x): ...\ndef scan(): return read(1)\n",
}


@pytest.fixture
def code(tmp_path: Path) -> Code:
    for name, text in FILES.items():
        file = tmp_path / "shop" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return Code(tmp_path, "shop")


def test_a_function_takes_along_what_only_it_uses(code: Code) -> None:
    assert code.unused_without({("shop.old.goods", "one")}, OLD) == [
        Unused(file="shop/old/goods.py", names=("LIMIT", "one", "_shown"), whole=False)
    ]


def test_a_file_goes_whole_when_nothing_in_it_is_used(code: Code) -> None:
    assert code.unused_without({("shop.old.prices", "all_of_them")}, OLD) == [
        Unused(file="shop/old/files.py", names=("scan",), whole=False),
        Unused(file="shop/old/prices.py", names=("Price", "all_of_them"), whole=True),
    ]


def test_what_two_functions_share_goes_with_both(code: Code) -> None:
    both = {("shop.old.goods", "one"), ("shop.old.prices", "all_of_them")}
    names = {unused.file: unused.names for unused in code.unused_without(both, OLD)}
    assert names["shop/old/files.py"] == ("read", "scan")
