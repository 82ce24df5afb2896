"""The page of a reader study in a real browser, with keyboard, reload, files and downloads."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.reader_study.study_pairs import pair
from USToMRILib.evaluation.reader_study_summary import read_answers
from USToMRILib.reader_study.study import STRUCTURES, write_study

webdriver = pytest.importorskip("selenium.webdriver")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Page:
    """A page in a browser, by what a reader does with it."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def open(self, path: Path) -> None:
        self.driver.get(path.as_uri())

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def type(self, *keys: str) -> None:
        for key in keys:
            webdriver.ActionChains(self.driver).send_keys(key).perform()

    def begin(self, reader: str) -> None:
        self.find("#reader").send_keys(reader + "\n")

    def answers(self) -> list[str | None]:
        """What is chosen for the pair on the screen, by structure."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('fieldset')].map("
            "set => set.querySelector(':checked')?.value ?? null)"
        )

    def downloaded(self, ending: str) -> Path:
        for _ in range(100):
            found = [path for path in self.downloads.iterdir() if path.suffix == ending]
            if found:
                return found[0]
            time.sleep(0.1)
        raise AssertionError(f"no {ending} was downloaded")


@pytest.fixture(scope="module", name="driver")
def fixture_driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a headless browser; skip where there is none."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    if not browser or not chromedriver:
        pytest.skip("no Chromium with its driver; on Debian: apt-get install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument("--window-size=1280,900")
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture(name="page")
def fixture_page(driver: Any, tmp_path: Path) -> Iterator[Page]:
    """Give an empty browser; nothing that it was shown may have gone wrong in it."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    allow = {"behavior": "allow", "downloadPath": str(downloads)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
    yield Page(driver, downloads)
    assert driver.get_log("browser") == []
    # By the browser, not by the page: that reaches the storage when it likes, in the next test too.
    driver.get("about:blank")
    stored = {"origin": "file://", "storageTypes": "local_storage"}
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", stored)


@pytest.fixture(name="study")
def fixture_study(tmp_path: Path) -> Path:
    write_study(tmp_path / "study.html", [pair(name) for name in "abc"], title="Heads")
    return tmp_path / "study.html"


@pytest.fixture(name="blinded")
def fixture_blinded(tmp_path: Path) -> Path:
    write_study(tmp_path / "blinded.html", [pair(name) for name in "abcd"], blinded=True)
    return tmp_path / "blinded.html"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_whole_study_by_keyboard(page: Page, study: Path) -> None:
    """Three pairs are answered without the mouse, and the CSV says what was answered."""
    page.open(study)
    assert "synthetic" in page.text("#notice")
    page.begin('Ada "A", Ünal')
    page.type("1", "2", "3", "\n")
    assert page.text("#position") == "Pair 2 of 3"
    page.type("3", "3", "3", "c", 'line, one\nline "two" 1 n', "\ue00c", "n")
    assert page.text("#position") == "Pair 3 of 3"
    page.type("2", "2", "\ue00c", "p")
    assert page.answers() == ["worse", "worse", "worse"]
    page.type("o")
    assert page.text("#state").startswith("2 of 3 pairs")
    page.find("#download").click()
    path = page.downloaded(".csv")
    rows = rows_of(path)
    assert [[row[name] for name in STRUCTURES] for row in rows] == [
        ["better", "same", "worse"],
        ["worse", "worse", "worse"],
        ["same", "same", ""],
    ]
    assert rows[1]["comment"] == 'line, one\nline "two" 1 n'
    assert {row["reader"] for row in rows} == {'Ada "A", Ünal'}
    assert {row["pseudo_mri_side"] for row in rows} == {"right"}
    answers, problems = read_answers([path])
    assert (answers.codes >= 0).sum() == 8
    assert problems == []


def test_blinded_answers_are_told_of_the_pseudo_mri(page: Page, blinded: Path) -> None:
    """The reader chooses sides; the CSV says better or worse."""
    page.open(blinded)
    page.begin("B")
    assert [page.text(f"figure:nth-child({n}) figcaption") for n in (1, 2)] == ["Left", "Right"]
    page.type(*"123\n" * 3, *"123")
    page.type("o")
    page.find("#download").click()
    for row in rows_of(page.downloaded(".csv")):
        left = {"left": "better", "right": "worse"}[row["pseudo_mri_side"]]
        right = {"left": "worse", "right": "better"}[row["pseudo_mri_side"]]
        assert [row[name] for name in STRUCTURES] == [left, "same", right]


def test_goes_on_after_the_browser_was_closed(page: Page, study: Path) -> None:
    """What was answered is there again, at the pair where it stopped."""
    page.open(study)
    page.begin("Ada")
    page.type("1", "1", "1", "\n", "3")
    assert page.driver.execute_script("return localStorage.length") == 1

    def sessions() -> list[Any]:
        # A busy browser hands what was stored to the next page some seconds later.
        time.sleep(0.5)
        page.open(study)
        return page.driver.find_elements("css selector", "#sessions button")

    wait_for(sessions, 30)
    button = page.find("#sessions button")
    assert button.text == "Ada, pair 2"
    button.click()
    assert page.text("#position") == "Pair 2 of 3"
    assert page.answers() == ["worse", None, None]
    page.open(study)
    page.begin("Eve")  # another reader begins afresh
    assert page.answers() == [None, None, None]


def test_saved_file_is_loaded_elsewhere(page: Page, study: Path, blinded: Path) -> None:
    """A file carries the answers to another browser; the file of another study is refused."""
    page.open(study)
    page.begin("Bea")
    page.type("2", "1")
    page.find("#save").click()
    saved = page.downloaded(".json")
    page.driver.execute_script("localStorage.clear()")
    page.open(study)
    assert not page.find("#resume").is_displayed()
    page.find("#load").send_keys(str(saved))
    assert page.answers() == ["same", "better", None]
    page.open(blinded)
    page.find("#load").send_keys(str(saved))
    wait_for(lambda: "another study" in page.text("#problem"))
    saved.write_text(json.dumps({"reader": "Ada"}))
    page.find("#load").send_keys(str(saved))
    wait_for(lambda: "holds no saved answers" in page.text("#problem"))


def test_mouse_zooms_both_images_alike(page: Page, study: Path) -> None:
    page.open(study)
    page.begin("Ada")
    page.type("+", "+")
    styles = [
        image.get_attribute("style") for image in page.driver.find_elements("tag name", "img")
    ]
    assert styles[0] == styles[1]
    assert "scale(1.5625)" in styles[0]
    page.type("0")
    assert "scale(1)" in page.find("img").get_attribute("style")


def test_every_control_has_a_name_and_the_page_fits(page: Page, study: Path) -> None:
    """Screen readers are told what each control is; nothing is cut off at a laptop's size."""
    page.open(study)
    page.begin("Ada")
    for element in page.driver.find_elements("css selector", "button, input, textarea, img"):
        if element.is_displayed():
            assert element.accessible_name.strip(), element.get_attribute("outerHTML")
    body = "document.body"
    fits = f"{body}.scrollHeight <= innerHeight && {body}.scrollWidth <= innerWidth"
    assert page.driver.execute_script(f"return {fits}")


def wait_for(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {seconds} s"
        time.sleep(0.1)
