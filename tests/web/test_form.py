"""The form of a session: made from the schema, in step with the YAML beside it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import yaml
from playwright.sync_api import Locator, Page, expect

from tests.web.conftest import Reader
from volition.service.client import Client
from volition.service.gateway.launch import RunningService

Open = Callable[[str], Reader]
Picture = Callable[[Page, str], None]

WRITTEN = """# Written by hand.
stream: {name: nowhere, wait_s: 60}
stages:
  - kind: bandpass # as in the paper
    low_hz: 5
    high_hz: 45
decoder:
  kind: fbcca
  targets: [{label: slow, freq_hz: 9}, {label: fast, freq_hz: 12}]
  window_s: 1.0
"""


@pytest.fixture
def reader(service: RunningService, open_page: Open) -> Reader:
    """The console with the configuration above in its editor."""
    opened = open_page(f"{service.url}/console")
    expect(text_of(opened.page)).to_have_value(re.compile("fbcca"))
    text_of(opened.page).fill(WRITTEN)
    expect(field(opened.page, "stages[0].low_hz")).to_have_value("5")
    return opened


def text_of(page: Page) -> Locator:
    return page.get_by_label("Configuration, YAML")


def said(page: Page) -> dict[str, object]:
    """What the YAML says."""
    read: dict[str, object] = yaml.safe_load(text_of(page).input_value())
    return read


def field(page: Page, path: str) -> Locator:
    return page.locator(f'input[data-path="{path}"], select[data-path="{path}"]')


def test_what_is_typed_in_a_field_changes_its_place_in_the_yaml_and_nothing_else(
    reader: Reader,
) -> None:
    field(reader.page, "stages[0].low_hz").fill("6.5")
    expect(text_of(reader.page)).to_have_value(re.compile("low_hz: 6.5"))
    stages = said(reader.page)["stages"]
    assert stages == [{"kind": "bandpass", "low_hz": 6.5, "high_hz": 45}]
    text = text_of(reader.page).input_value()
    assert "# Written by hand." in text
    assert "# as in the paper" in text


def test_what_is_written_in_the_yaml_is_shown_by_the_form(reader: Reader) -> None:
    page = reader.page
    text_of(page).fill(WRITTEN.replace("window_s: 1.0", "window_s: 2.5\n  trigger: sliding"))
    expect(field(page, "decoder.window_s")).to_have_value("2.5")
    expect(field(page, "decoder.trigger")).to_have_value("sliding")


def test_while_the_yaml_cannot_be_read_the_form_says_so_and_changes_nothing(reader: Reader) -> None:
    page = reader.page
    text_of(page).fill(WRITTEN + "stages: [")
    expect(page.get_by_text("The YAML cannot be read")).to_be_visible()
    expect(field(page, "decoder.window_s")).to_be_disabled()
    expect(field(page, "decoder.window_s")).to_have_value("1")
    text_of(page).fill(WRITTEN)
    expect(field(page, "decoder.window_s")).to_be_enabled()


def test_a_setting_says_its_unit_what_it_is_for_and_what_it_is_when_left_out(
    reader: Reader,
) -> None:
    page = reader.page
    window = page.get_by_label("Window, s", exact=True)
    expect(window).to_have_attribute("data-path", "decoder.window_s")
    expect(window).to_have_accessible_description("Default: 3.")
    window.fill("")
    expect(text_of(page)).not_to_have_value(re.compile("window_s"))
    expect(window).to_have_attribute("placeholder", "3")
    low = page.get_by_label("Low, Hz (needed)")
    expect(low).to_have_accessible_description("Lower edge (-3 dB), Hz.")


def test_stages_are_added_moved_changed_and_removed_by_keyboard_alone(reader: Reader) -> None:
    page = reader.page

    def kinds() -> list[str]:
        return [one["kind"] for one in said(page)["stages"]]  # type: ignore[attr-defined]  # a list of stages

    page.get_by_label("Kind of stage to add").select_option("notch")
    page.get_by_role("button", name="Add stage").press("Enter")
    expect(field(page, "stages[1].kind")).to_have_value("notch")
    assert kinds() == ["bandpass", "notch"]
    page.get_by_role("button", name="Move stage 2 up").press("Enter")
    expect(field(page, "stages[0].kind")).to_have_value("notch")
    assert kinds() == ["notch", "bandpass"]
    assert "# as in the paper" in text_of(page).input_value()
    page.get_by_label("Kind of stage 1").select_option("highpass")
    expect(field(page, "stages[0].kind")).to_have_value("highpass")
    assert kinds() == ["highpass", "bandpass"]
    page.get_by_role("button", name="Remove stage 2").press("Enter")
    expect(field(page, "stages[1].kind")).to_have_count(0)
    assert kinds() == ["highpass"]


def test_another_decoder_keeps_what_both_know_and_is_given_what_it_needs(reader: Reader) -> None:
    page = reader.page
    page.get_by_label("Decoder: kind").select_option("etrca")
    expect(field(page, "decoder.model")).to_have_count(1)
    decoder = said(page)["decoder"]
    assert decoder == {
        "kind": "etrca",
        "targets": [{"label": "slow", "freq_hz": 9}, {"label": "fast", "freq_hz": 12}],
        "window_s": 1.0,
    }
    page.get_by_label("Decoder: kind").select_option("kalman")
    expect(page.get_by_role("group", name="Targets")).to_have_count(0)
    assert said(page)["decoder"] == {"kind": "kalman"}


def test_a_list_is_written_with_commas_and_in_brackets_where_its_items_hold_some(
    reader: Reader,
) -> None:
    page = reader.page
    text_of(page).fill(WRITTEN + '  onset_markers: ["a, b", c]\n')
    markers = field(page, "decoder.onset_markers")
    expect(markers).to_have_value('["a, b","c"]')
    markers.fill('["d, e"]')
    expect(text_of(page)).to_have_value(re.compile("d, e"))
    assert said(page)["decoder"]["onset_markers"] == ["d, e"]  # type: ignore[index]  # a decoder
    markers.fill("f, g")
    expect(text_of(page)).not_to_have_value(re.compile("d, e"))
    assert said(page)["decoder"]["onset_markers"] == ["f", "g"]  # type: ignore[index]  # a decoder


def unfold(page: Page) -> None:
    """Show every setting of the session itself."""
    page.locator(".schema-form > .fields > details > summary").click()


def test_what_may_be_left_out_as_a_whole_is_switched_on_and_off(reader: Reader) -> None:
    page = reader.page
    unfold(page)
    page.get_by_label("Markers", exact=True).check()
    field(page, "markers.type").fill("Triggers")
    expect(text_of(page)).to_have_value(re.compile("type: Triggers"))
    assert said(page)["markers"] == {"type": "Triggers"}
    page.get_by_label("Markers", exact=True).uncheck()
    expect(text_of(page)).not_to_have_value(re.compile("markers"))


def test_what_is_a_word_or_settings_is_chosen_between(reader: Reader) -> None:
    page = reader.page
    unfold(page)
    expect(field(page, "selections.dwell_s")).to_have_attribute("placeholder", "0.5")
    field(page, "selections.dwell_s").fill("0.8")
    expect(text_of(page)).to_have_value(re.compile(r"dwell_s: 0\.8"))
    assert said(page)["selections"] == {"dwell_s": 0.8}
    page.get_by_label("Selections: how").select_option("every")
    expect(text_of(page)).to_have_value(re.compile("selections: every"))
    expect(field(page, "selections.dwell_s")).to_have_count(0)


def test_what_is_out_of_bounds_is_told_at_its_field_before_it_is_sent(reader: Reader) -> None:
    low = field(reader.page, "stages[0].low_hz")
    low.fill("-5")
    expect(low).to_have_attribute("aria-invalid", "true")
    expect(low).to_have_accessible_description(re.compile("above 0"))
    low.fill("five")
    expect(low).to_have_accessible_description(re.compile("a number is needed"))


def test_what_the_service_finds_wrong_is_told_at_its_field_until_it_is_mended(
    service: RunningService, reader: Reader
) -> None:
    page = reader.page
    field(page, "stages[0].high_hz").fill("3")
    text = text_of(page).input_value().replace("window_s: 1.0", "windw_s: 1.0")
    text_of(page).fill(text)
    page.get_by_role("button", name="Make session").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("did you mean window_s?")
    expect(page.get_by_text("windw_s is not known here.")).to_be_visible()
    page.get_by_role("button", name="Field of decoder.windw_s").click()
    expect(page.get_by_role("button", name="Remove windw_s")).to_be_focused()
    page.keyboard.press("Enter")
    expect(alert).not_to_contain_text("windw_s")

    wrong = page.get_by_role("button", name=re.compile(r"Field of stages\[0\]"))
    expect(wrong).to_be_visible()
    wrong.click()
    field(page, "stages[0].high_hz").fill("45")
    expect(alert).to_have_count(0)
    page.get_by_role("button", name="Make session").click()
    expect(page.locator("[data-state]")).to_be_visible()
    with Client(service.url) as client:
        (session,) = client.sessions()
        assert session.config["stages"][0]["high_hz"] == 45
        client.delete(session.id)


def test_it_is_for_everyone_in_both_themes_and_in_a_narrow_window(
    reader: Reader, picture: Picture
) -> None:
    page = reader.page
    picture(page, "console-form")
    for folded in page.locator(".schema-form details > summary").all():
        if folded.is_visible():
            folded.click()
    reader.check_fits(width=400)
    reader.check_access()
    reader.check()
