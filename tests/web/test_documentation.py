"""The documentation as the service shows it: under its policy, at every width, to everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Reader
from volition.service.gateway.launch import RunningService
from volition.service.gateway.pages import DOCUMENTATION


@pytest.fixture(autouse=True)
def site() -> None:
    if not (DOCUMENTATION / "index.html").is_file():
        pytest.skip("needs the documentation: make docs")


def test_a_reader_finds_a_key_of_the_configuration_by_searching(
    service: RunningService, open_page: Callable[[str], Reader]
) -> None:
    reader = open_page(f"{service.url}/docs")
    page = reader.page

    expect(page.get_by_role("heading", name="Volition", level=1)).to_be_visible()
    page.get_by_placeholder("Search").fill("idle_ratio")
    found = page.get_by_role("link").filter(has_text="fbcca").first
    expect(found).to_be_visible(timeout=60_000)
    found.click()

    expect(page.get_by_role("heading", name="Configuration", level=1)).to_be_visible()
    reader.check()


@pytest.mark.parametrize("name", ["start", "protocol", "reference/commands", "api/client"])
def test_a_page_fits_a_phone_and_keeps_nobody_out(
    service: RunningService, open_page: Callable[[str], Reader], name: str
) -> None:
    reader = open_page(f"{service.url}/docs/{name}.html")

    reader.check_fits(width=1280)
    reader.check_fits(width=400)
    reader.check_access()
    reader.check()


def test_the_longest_page_fits_a_phone(
    service: RunningService, open_page: Callable[[str], Reader]
) -> None:
    reader = open_page(f"{service.url}/docs/reference/configuration.html")

    reader.check_fits(width=400)
    reader.check()
