"""A real browser for the console's tests."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.instance import wait_for

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--lang=en"),
)
DESKTOP, PHONE = (1400, 1000), (390, 844)


class Browser:
    """What an operator does with one, and sees."""

    def __init__(self, driver: Chrome, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> None:
        self.driver.get(self.base + path)

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def has(self, selector: str) -> bool:
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def click(self, selector: str) -> None:
        """Click as soon as it is there: a live page may just be replacing it."""

        def is_clicked() -> bool:
            self.find(selector).click()
            return True

        self.until(is_clicked, f"{selector} can be clicked")

    def type(self, selector: str, text: str) -> None:
        element = self.find(selector)
        element.clear()
        element.send_keys(text)

    def text(self, selector: str = "body") -> str:
        return str(self.driver.execute_script(TEXT, selector))

    def until_text(self, selector: str, *words: str) -> str:
        """Wait until the element says all of that; what it says."""
        self.until(
            lambda: all(word in self.text(selector) for word in words), f"{selector} says {words}"
        )
        return self.text(selector)

    def until(self, holds: Callable[[], Any], what: str) -> None:
        def look() -> bool:
            try:
                return bool(holds())
            except WebDriverException:
                return False

        wait_for(look, f"{what}; there is: {self.text()}", 20)

    def log_in(self, token: str) -> None:
        self.open("/console/login")
        self.type("#token", token)
        self.click(".card button")

    def forget(self) -> None:
        """Be a browser that was never here."""
        self.driver.delete_all_cookies()
        self.driver.get_log("browser")

    def complaints(self) -> list[str]:
        """What the browser's log has of errors and violated policies since the last time."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" or "Content Security Policy" in entry["message"]
        ]


TEXT = "return document.querySelector(arguments[0])?.innerText ?? ''"


@contextmanager
def browsing(base: str, folder: Path) -> Iterator[Browser]:
    """A fresh browser, on the site at `base`."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver, base)
    finally:
        driver.quit()
