"""What holds for the whole panel: sizes, languages, tooltips, keyboard, width."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer_host

slicer_host.require_panel()

from slicer_host import api  # noqa: E402

slicer_host.start(panel=True)

MODULE = Path(__file__).parents[2] / "USToMRI"
SOURCES = sorted(MODULE.rglob("*.py"))
FORMS = sorted((MODULE / "Resources" / "UI").glob("*.ui"))

# Widgets that show and do nothing, and those that only hold others.
PASSIVE = {"QLabel", "QProgressBar", "QWidget", "qMRMLWidget"}

# Written for the log of a command line, or what a file's header says in every language.
NAMES = {
    "The USToMRI contributors",
    "Segmentation category and type - 3D Slicer General Anatomy list",
}
UNTRANSLATED = {"batch.py", "SceneFiles.py", "SceneSource.py", "SelfTest.py", "SyntheticFile.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_can_be_translated(path: Path) -> None:
    """What reads like words for the user stands in ``_()``, which takes no f-string."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    translated: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in ("_", "translate"):
            assert not any(isinstance(part, ast.JoinedStr) for part in ast.walk(node)), node.lineno
            translated.update(ast.walk(node))
        elif isinstance(node, ast.Call) and called(node) in ("exception", "info"):  # the log
            translated.update(ast.walk(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
            translated.add(node.value)
    for node in ast.walk(tree):
        if path.name not in UNTRANSLATED and node not in translated and is_text(node):
            raise AssertionError(f"line {node.lineno}: {node.value}")  # type: ignore[attr-defined]


def called(node: ast.Call) -> str:
    """Return the name of what is called."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def is_text(node: ast.AST) -> bool:
    """Return whether a node is a string that begins like a sentence or a title of two words."""
    value = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(value, str) or value in NAMES:
        return False
    return re.match(r"[A-Z][a-z]+[ ,]+\w", value) is not None


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_tab_key_goes_from_top_to_bottom(path: Path) -> None:
    """Over every control."""
    root = ElementTree.parse(path).getroot()
    widgets = [each for each in root.iter("widget") if each.get("class") not in PASSIVE]
    assert [each.text for each in root.iter("tabstop")] == [each.get("name") for each in widgets]


def widgets_of_forms() -> dict[str, set[str]]:
    """Return the classes of the widgets in the forms, by the widgets' names."""
    rooms = {"Q": "qt", "c": "ctk", "q": "slicer"}
    classes: dict[str, set[str]] = {}
    for path in FORMS:
        for widget in ElementTree.parse(path).getroot().iter("widget"):
            kind = widget.get("class", "")
            classes.setdefault(widget.get("name", ""), set()).add(f"{rooms[kind[0]]}.{kind}")
    return classes


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_name_exists_in_slicer(path: Path) -> None:
    """What widgets, ``qt`` and ``slicer.app`` are asked for, in lines that no test reaches too."""
    widgets = widgets_of_forms()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        owner = ast.unparse(node.value)
        for kind in widgets.get(owner.rpartition("ui.")[2], ()):
            assert node.attr in api.of_class(kind).names, f"line {node.lineno}: {kind}.{node.attr}"
        if owner in ("qt", "slicer.app"):
            known = api.names_of(owner.rpartition(".")[2])
            assert node.attr in known, f"line {node.lineno}: {owner}.{node.attr}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_signal_exists_in_slicer(path: Path) -> None:
    """PythonQt says nothing to the user about a wrong one."""
    widgets = widgets_of_forms()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and called(node) == "connect" and node.args:
            owner = ast.unparse(node.func).removesuffix(".connect").rpartition("ui.")[2]
            for kind in widgets.get(owner, ()):
                signal = ast.literal_eval(node.args[0])
                assert signal in api.of_class(kind).signals, f"line {node.lineno}: {signal}"


@pytest.fixture(name="panel")
def fixture_panel() -> Iterator[Any]:
    """Give the panel with everything open."""
    slicer_host.new_scene()
    panel = slicer_host.open_panel(slicer_host.load_module(MODULE / "USToMRI.py"))
    for widget in panel.parent.findChildren():
        if "Collapsible" in type(widget).__name__:
            widget.collapsed = False
    yield panel
    panel.cleanup()
    panel.parent.deleteLater()
    slicer_host.close_scene()


def test_panel_fits_a_narrow_column(panel: Any) -> None:
    """400 pixels suffice."""
    assert panel.parent.minimumSizeHint().width() <= 400


def test_every_control_has_a_tooltip(panel: Any) -> None:
    """Those whose text is a heading need none."""
    for section in panel.sections:
        for name, control in vars(section.ui).items():
            if control.className() not in PASSIVE and "Collapsible" not in name:
                assert control.toolTip, name


def test_every_setting_is_saved_with_the_scene(panel: Any) -> None:
    """What a user can set is bound to a parameter, or is itself a list of what the scene holds."""
    of_the_scene = {
        "methodSelector",  # follows the parameter "method"
        "segmentSelector",  # follows the parameter "segment"
        "newPairSelector",  # names a pair
        "pairSelector",  # the pairs are nodes, and so is what each of them refers to
        "regionSelector",
        "regionSegmentSelector",
        "backgroundSelector",
        "backgroundSegmentSelector",
    }
    kinds = ("QComboBox", "QCheckBox", "QSpinBox", "QDoubleSpinBox", "qMRMLNodeComboBox")
    for section in panel.sections:
        for name, control in vars(section.ui).items():
            if control.className() in (*kinds, "ctkSliderWidget"):
                assert control.property("SlicerParameterName") or name in of_the_scene, name


def test_labels_show_the_colours_of_the_regions(panel: Any) -> None:
    """The squares before Region and Background are as the boxes in the views."""
    from USToMRIModule.CNR.CNRPlacement import COLOURS

    for role, colour in COLOURS.items():
        code = "#" + "".join(f"{round(part * 255):02x}" for part in colour)
        assert code in getattr(panel.sections[2].ui, f"{role}Label").text
