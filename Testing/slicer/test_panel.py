"""The choices of the panel, on a strict stand-in for PythonQt."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import (  # noqa: E402
    add_ultrasound,
    choose_method,
    fixture_module,  # noqa: F401
    fixture_panel,  # noqa: F401
    fixture_section,  # noqa: F401
    outputs,
    press_translate,
)
from slicer_host.waiting import wait_until  # noqa: E402

from USToMRILib.methods import (  # noqa: E402
    ADULT,
    FETAL,
    METHODS,
    QUALITIES,
    SLICE,
    Method,
    by_quality,
    register,
)
from USToMRILib.options import option  # noqa: E402

slicer_host.start(panel=True)

import qt  # noqa: E402


def test_translate_says_why_it_cannot_run(section: Any) -> None:
    """Without a volume the button is disabled; the reason stands beside it and in its tooltip."""
    assert not section.ui.translateButton.enabled
    assert section.ui.translateButton.toolTip == "Choose the ultrasound volume to translate."
    assert section.ui.statusLabel.text == section.ui.translateButton.toolTip
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.translateButton.enabled
    assert section.ui.statusLabel.text == ""


def test_method_must_fit_the_volume(section: Any) -> None:
    """Pix2Pix needs a volume: the button follows every choice."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    choose_method(section, "pix2pix3d")
    assert not section.ui.translateButton.enabled
    assert "needs a volume" in section.ui.statusLabel.text
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    assert section.ui.translateButton.enabled


def test_fields_are_those_of_the_method(section: Any) -> None:
    """One for every option and map that the library knows of it; the axis is of volumes."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    for name, method in METHODS.items():
        choose_method(section, name)
        expected = {option.name for option in method.option_list} | set(method.offers)
        assert set(section.options.fields) == expected
        assert all(field.toolTip for field in section.options.fields.values())
    choose_method(section, "ddib")
    assert not section.options.fields["axis"].enabled
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    choose_method(section, "ddib")
    assert section.options.fields["axis"].enabled
    choose_method(section, "pix2pix3d")
    for control in (section.ui.headSelector, section.ui.findHeadButton):
        assert not control.enabled


def test_a_method_of_a_test_is_found_in_the_panel(module: Any) -> None:
    """Nothing but the registry knows the methods: one that is added there can be chosen."""

    @dataclasses.dataclass(frozen=True)
    class ToyOptions:
        """A number, a choice and a switch."""

        strength: float = option(0.5, "how strong", least=0, most=2)
        kind: str = option("plain", "of what kind", choices=("plain", "fancy"))
        twice: bool = option(False, "whether to do it again")

    toy = Method("toy", "Toy", "For a test.", "none", ("slice",), ToyOptions, (), print)
    register(toy)
    try:
        panel = slicer_host.open_panel(module)
        section = panel.sections[0]
        choose_method(section, "toy")
        fields = section.options.fields
        fields["strength"].value = 1.5
        fields["kind"].currentIndex = 1
        fields["twice"].checked = True
        assert section.options.values() == {"strength": 1.5, "kind": "fancy", "twice": True}
        fields["twice"].checked = False
        assert section.options.values() == {"strength": 1.5, "kind": "fancy"}
        panel.exit()
        panel.enter()
        assert section.options.fields["strength"].value == 1.5
        panel.cleanup()
    finally:
        del METHODS["toy"]


def test_axis_of_a_volume_reaches_the_worker(section: Any) -> None:
    """Every method takes volumes; the slices' axis is chosen under Advanced."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    choose_method(section, "ddic")
    section.options.fields["axis"].currentIndex = 2
    press_translate(section)
    assert outputs()[-1].GetAttribute("USToMRI.axis") == "j"


def test_stand_in_is_strict() -> None:
    """What Slicer's PythonQt refuses, or would pass over in silence, raises here."""
    button = qt.QPushButton()
    with pytest.raises(AttributeError):
        button.foo = 1
    with pytest.raises(AttributeError):
        button.setTooltip("wrong letter")
    with pytest.raises(ValueError, match="no signal"):
        button.connect("clickedd()", print)
    with pytest.raises(AttributeError):
        qt.QNoSuchWidget  # noqa: B018
    with pytest.raises(AttributeError, match="not a name in Slicer"):
        slicer.app.noSuchName  # noqa: B018


def test_a_quality_chooses_the_method(section: Any) -> None:
    """As the registry says; a method chosen by hand is no quality."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    chosen = section.logic.getParameterNode()
    assert ui.qualitySelector.currentIndex == 1
    assert chosen.method == by_quality("best", SLICE)[0].name == "ddic-guided"
    ui.qualitySelector.currentIndex = 0
    assert chosen.method == by_quality("fast", SLICE)[0].name == "pix2pix2d"
    assert ui.qualitySelector.itemText(0) == "Fast: Pix2Pix"
    choose_method(section, "ddib")
    assert chosen.method == "ddib"
    assert ui.qualitySelector.currentIndex == 2
    ui.qualitySelector.currentIndex = 1
    assert chosen.method == "ddic-guided"


def test_a_volume_is_not_translated_before_it_is_said_whose_head_it_shows(section: Any) -> None:
    """Neither an adult brain as a fetal head nor the other way round."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.subjectSelector.isHidden()
    assert ui.translateButton.enabled
    ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    chosen = section.logic.getParameterNode()
    assert not ui.subjectSelector.isHidden()
    assert not ui.translateButton.enabled
    assert "what the volume shows" in ui.statusLabel.text
    assert ui.qualitySelector.itemText(1) == "Best"
    for index, method in ((1, "pix2pix2d"), (2, "pix2pix3d")):
        ui.subjectSelector.currentIndex = index
        for quality in (0, 1):
            ui.qualitySelector.currentIndex = quality
            assert chosen.method == method
            assert ui.translateButton.enabled
    press_translate(section)
    assert outputs()[-1].GetAttribute("USToMRI.method") == "pix2pix3d"
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert chosen.method == "ddic-guided"
    assert ui.subjectSelector.isHidden()


def test_a_method_chosen_by_hand_takes_any_volume(section: Any) -> None:
    """Then nothing is asked, and what was chosen stays with another image."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    choose_method(section, "ddic")
    assert ui.qualitySelector.currentIndex == 2
    assert ui.subjectSelector.isHidden()
    assert ui.translateButton.enabled
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.logic.getParameterNode().method == "ddic"


def test_qualities_and_subjects_are_the_librarys() -> None:
    """No others can be chosen, but for what says that none was."""
    from USToMRIModule.ParameterNode import Quality, Subject

    assert {member.value for member in Quality} == {*QUALITIES, "chosen"}
    assert {member.value for member in Subject} == {FETAL, ADULT, "unknown"}
    assert all(member.label() for member in (*Quality, *Subject))


def test_cautions_are_said_once(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they are behind a button."""
    from USToMRIModule.Translate import Cautions

    monkeypatch.setattr(Cautions, "_said", set())
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.cautionButton.isHidden()
    press_translate(section)
    assert "The GPU was full" in ui.statusLabel.text
    assert not ui.cautionButton.isHidden()
    press_translate(section)
    assert "The GPU was full" not in ui.statusLabel.text
    ui.cautionButton.click()
    assert ui.statusLabel.text == "The GPU was full; the CPU did it."


def test_the_output_is_kept_on_request(section: Any) -> None:
    """Else the next run makes another one."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    press_translate(section)
    assert section.ui.outputSelector.currentNode() is None
    section.ui.keepOutputCheckBox.checked = True
    press_translate(section)
    assert section.ui.outputSelector.currentNode() is outputs()[-1]
    section.ui.translateButton.click()
    wait_until(lambda: section.ui.translateButton.enabled)
    assert len(outputs()) == 2


@pytest.mark.parametrize(
    ("number", "label"),
    [
        (0, "statusLabel"),
        (0, "biometryLabel"),
        (1, "compareStatusLabel"),
        (2, "cnrStatusLabel"),
        (3, "studyStatusLabel"),
        (4, "batchStatusLabel"),
        (5, "liveStatusLabel"),
    ],
)
def test_a_long_message_does_not_widen_the_panel(panel: Any, number: int, label: str) -> None:
    """Its size hint is that of a short one, even of a path, which has no place to break."""
    for name, widget in vars(panel.sections[number].ui).items():
        if name.endswith("CollapsibleButton"):
            widget.collapsed = False
    shown = getattr(panel.sections[number].ui, label)
    shown.visible = True
    slicer.app.processEvents()
    # Of the box it lies in: while nothing is on a screen, what lies around does not ask it again.
    box = shown.parentWidget()
    before = box.sizeHint().width()
    shown.text = "/folder" * 60 + " and a long warning about what networks do." * 12
    slicer.app.processEvents()
    assert box.sizeHint().width() == before


def test_only_what_was_changed_is_asked_for(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest are the library's own defaults."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    choose_method(section, "ddic")
    asked: list[dict[str, Any]] = []

    def start(*_nodes: Any, **options: Any) -> Any:
        asked.append(options)
        return SimpleNamespace(running=False)

    monkeypatch.setattr(section.logic, "startTranslation", start)
    section.ui.translateButton.click()
    wait_until(lambda: len(asked) == 1)
    section.options.fields["median_kernel"].value = 1
    section.options.fields["gain"].currentIndex = 1
    section.options.fields["residual"].checked = True
    section.ui.translateButton.click()
    wait_until(lambda: len(asked) == 2)
    named = [
        {name: options.get(name) for name in ("median_kernel", "gain", "residual")}
        for options in asked
    ]
    assert named[0] == dict.fromkeys(named[0])
    assert named[1] == {"median_kernel": 1, "gain": "recorded", "residual": True}
    assert asked[1]["method"] == "ddic"


def test_devices_are_the_librarys() -> None:
    """Every device of the library can be chosen, no other."""
    from USToMRIModule.ParameterNode import Device

    from USToMRILib.compute.device import DEVICES

    assert {member.value for member in Device} == set(DEVICES)
    assert all(member.label() for member in Device)
