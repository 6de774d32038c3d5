"""The console, as a person uses it who has just started the service."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from playwright.sync_api import BrowserContext, Page, expect

from tests.web.conftest import TABLET, Reader
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.wire.messages import CueMessage
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal

Open = Callable[[str], Reader]
Picture = Callable[[Page, str], None]

SLIDING = """
name: watched
stream: {source_id: console-headset}
stages:
  - {kind: bandpass, low_hz: 5, high_hz: 45}
decoder:
  kind: fbcca
  targets: [{label: slow, freq_hz: 9}, {label: fast, freq_hz: 12}]
  trigger: sliding
  window_s: 1.0
  step_s: 0.1
"""


@contextmanager
def headset(source_id: str) -> Iterator[None]:
    signal = SyntheticSignal(8, 250.0, sines=(Sine(12.0, 8.0),), noise_uv=4.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, source_id=source_id)):
        yield


def bins_drawn(page: Page) -> int:
    return int(page.locator("canvas.sweep").get_attribute("data-bins") or 0)


def wait_for_bins(page: Page, n: int) -> None:
    """Wait until the scope was given ``n`` bins of the signal."""
    page.wait_for_function(
        "(n) => Number(document.querySelector('canvas.sweep').dataset.bins) > n", arg=n
    )


@pytest.mark.slow
def test_from_a_fresh_service_to_decisions_and_the_emergency_stop(
    service: RunningService, open_page: Open, picture: Picture
) -> None:
    reader = open_page(f"{service.url}/console")
    page = reader.page
    expect(page.get_by_role("heading", name="No session is chosen")).to_be_visible()

    page.get_by_role("button", name="Simulated headset", exact=True).click()
    found = page.get_by_role("list", name="Streams found")
    expect(found.get_by_role("button", pressed=True)).to_contain_text("Simulated headset")
    area = page.get_by_label("Configuration, YAML")
    expect(area).to_have_value(re.compile("source_id: simulated-"))
    page.get_by_label("Record the signal").check()
    page.get_by_role("button", name="Make session").click()

    expect(page.locator("[data-state]")).to_have_attribute("data-state", "running")
    wait_for_bins(page, 100)
    expect(page.get_by_role("status").filter(has_text="Recording")).to_be_visible()
    expect(page.locator("tr.selection").first).to_be_visible()
    expect(page.get_by_role("list", name="Evidence for each target")).to_contain_text("13 Hz")
    expect(page.get_by_role("region", name="Quality of each channel")).to_contain_text("POz")
    expect(page.get_by_role("img", name="8 electrodes on the head, all good")).to_be_visible()
    first = page.locator("canvas.sweep").screenshot()
    wait_for_bins(page, bins_drawn(page) + 50)
    assert page.locator("canvas.sweep").screenshot() != first
    picture(page, "console")

    # Nothing is drawn, and the service sends no signal, while nobody sees the page.
    reader.hide(True)
    page.wait_for_function(
        "() => !sockets.some((s) => s.readyState < 2 && s.url.includes('/signal'))"
    )
    hidden_at = bins_drawn(page)
    assert reader.frames_asked(in_ms=1500) <= 10
    assert bins_drawn(page) == hidden_at
    reader.hide(False)
    wait_for_bins(page, hidden_at + 50)

    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_contain_text("Emergency stop: all output is neutral")
    with Client(service.url) as client:
        (session,) = client.sessions()
        assert session.held
        reader.release()
        expect(page.get_by_role("alert")).to_have_count(0)
        assert not client.session(session.id).held
        reader.check_access()
        page.set_viewport_size(TABLET)  # type: ignore[arg-type]  # a plain dict
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        reader.check_fits(width=400)
        reader.check()
        client.delete(session.id)


#: Not the usual number: a decoder that is fitted looks at the bands of the one that it follows.
N_SUBBANDS = 4


class Person:
    """A simulated person who looks where a guided calibration of their session asks them to."""

    TARGETS = tuple({"label": label, "freq_hz": 8 + n} for n, label in enumerate("ABCD"))

    def __init__(self, client: Client, http: httpx.Client) -> None:
        self._http = http
        self.id = http.post("/simulations", json={"kind": "speller"}).json()["id"]
        fbcca = {
            "kind": "fbcca",
            "targets": [*self.TARGETS],
            "window_s": 1.0,
            "n_subbands": N_SUBBANDS,
        }
        body = {"name": "person", "stream": {"source_id": self.id}, "decoder": fbcca}
        self.session = client.create_session(body).id
        self._client = client
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _look(self, target: int | None, t: float | None = None) -> None:
        body = {"target": target, "t": t}
        self._http.put(f"/simulations/{self.id}/gaze", json=body).raise_for_status()

    def _follow(self) -> None:
        with self._client.subscribe(self.session, after=0) as messages:
            for message in messages:
                if isinstance(message, CueMessage) and message.phase == "cue":
                    self._look(message.target, message.t)
                elif isinstance(message, CueMessage) and message.phase == "pause":
                    self._look(None)

    def close(self) -> None:
        self._client.delete(self.session)
        self._thread.join()
        self._http.delete(f"/simulations/{self.id}")


@pytest.fixture
def person(service: RunningService) -> Iterator[Person]:
    with (
        Client(service.url) as client,
        httpx.Client(base_url=f"{service.url}/v1", timeout=60, trust_env=False) as http,
    ):
        made = Person(client, http)
        yield made
        made.close()


@pytest.mark.slow
def test_a_session_is_calibrated_and_changes_to_the_model_and_back(
    person: Person, service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/console#{person.session}")
    page = reader.page
    expect(page.locator("[data-state]")).to_have_attribute("data-state", "running")
    page.get_by_text("Spectrum", exact=True).click()
    expect(page.get_by_role("img", name=re.compile("Amplitude spectrum of"))).to_be_visible()
    form = page.get_by_role("region", name="Calibration")
    form.get_by_label("Learn from").select_option("guided")
    form.get_by_label("Fit").select_option("ecca")
    for field, value in (
        ("Window, s", "0.75"),
        ("Blocks", "3"),
        ("Cue, s", "0.2"),
        ("Trial, s", "0.9"),
    ):
        form.get_by_label(field, exact=True).fill(value)

    form.get_by_role("button", name="Calibrate").click()

    expect(form.get_by_role("status")).to_have_text(re.compile("Look at [ABCD]"))
    models = page.get_by_role("region", name="Models", exact=True)
    expect(models).to_contain_text("A calibration is being made")
    expect(form.locator("[data-calibration=done]")).to_be_visible(timeout=90_000)
    accuracy = form.locator("[data-accuracy]").get_attribute("data-accuracy")
    assert float(accuracy or 0) >= 0.6
    expect(form.get_by_role("img", name=re.compile("by length of the window"))).to_be_visible()
    expect(form.get_by_role("region", name="Confusion matrix")).to_contain_text("D")

    expect(models).not_to_contain_text("A calibration is being made")
    decodes = models.locator("[data-decodes]")
    expect(decodes).to_have_text("Decodes by fbcca")
    models.get_by_role("button", name=re.compile("Use calibrated@")).click()
    expect(decodes).to_have_attribute("data-decodes", re.compile("calibrated@"))
    with Client(service.url) as client:
        settings = client.session(person.session).config["decoder"]
    assert (settings["kind"], settings["n_subbands"]) == ("ecca", N_SUBBANDS)
    reader.check_access()
    models.get_by_role("button", name="Back to fbcca").click()
    expect(decodes).to_have_text("Decodes by fbcca")
    reader.check()


def test_a_wrong_key_is_shown_at_its_line(service: RunningService, open_page: Open) -> None:
    reader = open_page(f"{service.url}/console")
    page = reader.page
    area = page.get_by_label("Configuration, YAML")
    expect(area).to_have_value(re.compile("fbcca"))
    area.fill(SLIDING.replace("low_hz: 5", "low_hz: -5").replace("window_s", "windw_s"))

    page.get_by_role("button", name="Make session").click()

    errors = page.get_by_role("alert")
    expect(errors).to_contain_text("stages[0].low_hz")
    expect(errors).to_contain_text("did you mean window_s?")
    lines = SLIDING.split("\n")
    wrong = [
        next(i for i, line in enumerate(lines, 1) if word in line)
        for word in ("low_hz", "window_s")
    ]
    marked = page.locator(".gutter .wrong").all_inner_texts()
    assert sorted(map(int, marked)) == wrong
    page.get_by_role("button", name=f"line {wrong[1]}").click()
    chosen = page.evaluate("getSelection().toString()")
    assert "windw_s" in chosen

    area.fill("stream: [")
    page.get_by_role("button", name="Make session").click()
    expect(page.get_by_role("alert")).to_contain_text("YAML")
    # The browser notes a refused request by itself.
    assert [e for e in reader.errors if "422" not in e] == []


@pytest.mark.slow
def test_each_page_comes_back_with_the_service_and_says_what_it_missed(
    open_page: Open, free_port: int, tmp_path: Path, pages: None
) -> None:
    arguments = ("--port", str(free_port), "--restore")
    environment = {"VOLITION_DATA": str(tmp_path)}
    with headset("console-headset"):
        with running_service(*arguments, env=environment) as first:
            reader = open_page(f"{first.url}/console#watched")
            page = reader.page
            expect(page.get_by_role("status").first).to_contain_text("not there")
            with Client(first.url) as client:
                client.create_session({**yaml.safe_load(SLIDING), "selections": "every"})
            expect(page.locator("[data-state]")).to_have_attribute("data-state", "running")
            expect(page.locator("tr.selection, tr.idle").first).to_be_visible()
            cursor = open_page(f"{first.url}/cursor#watched")
            speller = open_page(f"{first.url}/speller#watched")
            others = [cursor, speller]
            for other in others:
                expect(other.page.get_by_role("status").first).to_contain_text("watched: running")
            expect(cursor.page.locator(".halted")).to_contain_text("not a cursor")
        expect(page.get_by_role("status").first).to_contain_text("does not answer")
        with running_service(*arguments, env=environment):
            expect(page.get_by_role("status").first).to_contain_text("connected again")
            expect(page.locator("[data-state]")).to_have_attribute("data-state", "running")
            wait_for_bins(page, bins_drawn(page) + 50)
            expect(page.get_by_role("status").first).to_contain_text("watched: running")
            for other in others:
                status = other.page.get_by_role("status").first
                expect(status).to_contain_text("watched: running, connected again 1")
    reader.errors = [e for e in reader.errors if "404" not in e]
    for each in (reader, *others):
        each.check(service_was_away=True)


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another origin's page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, format: str, *args: object) -> None:
        pass


ATTACK = """async (service) => {
  const socket = (path) => new Promise((done) => {
    const opened = new WebSocket(service.replace("http", "ws") + path, "volition.v1.json");
    opened.onopen = () => done("open");
    opened.onclose = () => done("refused");
  });
  const answer = (promise) => promise.then(() => "answered", () => "refused");
  const post = {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"};
  const frame = document.createElement("iframe");
  frame.src = service;
  document.body.append(frame);
  return {
    read: await answer(fetch(service + "/v1/sessions")),
    change: await answer(fetch(service + "/v1/simulations", post)),
    intents: await socket("/v1/sessions/x/intents"),
    signal: await socket("/v1/sessions/x/signal"),
  };
}"""


def test_a_page_of_another_origin_is_refused(
    service: RunningService, context: BrowserContext
) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        assert set(page.evaluate(ATTACK, service.url).values()) == {"refused"}
        page.wait_for_timeout(0)
        assert page.frames[-1].evaluate("document.querySelector('#app') === null")
        assert any("frame-ancestors" in text for text in said)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    with Client(service.url) as client:
        assert client.sessions() == []


@pytest.mark.slow
def test_what_a_session_can_be_made_of_is_shown_with_settings_to_copy(
    service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/console")
    page = reader.page
    page.get_by_text("What it can be made of", exact=True).click()

    page.get_by_role("combobox", name="Part").select_option("stages bandpass")

    expect(page.get_by_text("Keep what lies between")).to_be_visible()
    example = page.locator("[data-example=bandpass]").text_content()
    assert yaml.safe_load(example or "") == {"kind": "bandpass", "low_hz": 5, "high_hz": 40}
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("The example of bandpass was copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == example
    reader.check_access()
    reader.check()
