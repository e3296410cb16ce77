"""What people install: the wheel has everything that runs, and nothing of the workshop."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.build import build_wheel

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # a build back end builds the tree that it stands in (PEP 517)
        name = build_wheel(str(folder))
    with ZipFile(folder / name) as archive:
        yield archive


def test_the_wheel_holds_three_packages_and_no_more(wheel: ZipFile) -> None:
    """The wheel installs the core and the two families of plugins, and no tests, documents or examples."""
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"notify_core", "notify_ipyy", "notify_http"}


@pytest.mark.parametrize("package", ["notify_core", "notify_ipyy", "notify_http"])
def test_every_package_is_typed(wheel: ZipFile, package: str) -> None:
    """Type checkers read the annotations of every package."""
    assert f"{package}/py.typed" in wheel.namelist()


def test_the_wsdl_travels_with_the_code(wheel: ZipFile) -> None:
    """SOAP works from an installed wheel, without the gateway's WSDL."""
    assert "notify_ipyy/service.wsdl" in wheel.namelist()


def test_the_pages_of_the_dashboard_travel_with_the_code(wheel: ZipFile) -> None:
    """The dashboard works from an installed wheel."""
    pages = {f"notify_core/serve/templates/{name}.html" for name in ("login", "overview", "delivery", "trouble")}
    assert pages | {"notify_core/serve/dashboard.css"} <= set(wheel.namelist())


def test_every_entry_point_names_a_module_of_the_wheel(wheel: ZipFile) -> None:
    """The command, the transports and pytest's plugin are where the metadata says."""
    modules = [target.partition(":")[0].replace(".", "/") for target in _entry_points(wheel)]
    missing = [module for module in modules if not {f"{module}.py", f"{module}/__init__.py"} & set(wheel.namelist())]
    assert modules
    assert missing == []


def _entry_points(wheel: ZipFile) -> list[str]:
    """What the entry points of every group name: ``module`` or ``module:function``."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    points = ConfigParser(delimiters="=")
    points.read_string(wheel.read(name).decode())
    return [target for group in points.sections() for target in points[group].values()]
