"""Simulated people over REST: what they are told, and what they refuse to be told."""

from __future__ import annotations

import httpx

from volition.service.gateway.launch import RunningService


def test_a_simulated_person_outlives_every_moment_that_may_be_named(
    service: RunningService,
) -> None:
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60, trust_env=False) as http:
        person = http.post("/simulations", json={"kind": "speller"}).json()["id"]
        gaze = f"/simulations/{person}/gaze"
        for t in (None, 0, -1e12, 1e12):
            assert http.put(gaze, json={"target": 3, "t": t}).status_code == 204
        for wrong in (1e308, -1e13, "soon"):
            refused = http.put(gaze, json={"target": 3, "t": wrong})
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["path"] == "t"

        scene = http.put(f"/simulations/{person}/scene", json={"cursor": [0, 0]})

        assert scene.status_code == 409
        assert scene.json()["detail"] == f"{person} is of kind speller; a cursor is needed"
        # Asked last: a person who had ended would not look anywhere.
        assert http.put(gaze, json={"target": None}).status_code == 204
        assert http.delete(f"/simulations/{person}").status_code == 204
        assert http.put(gaze, json={"target": None}).status_code == 404


def test_a_person_who_imagines_says_what_and_refuses_what_they_cannot(
    service: RunningService,
) -> None:
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60, trust_env=False) as http:
        person = http.post("/simulations", json={"kind": "imagery", "day": 2}).json()
        assert person["classes"] == ["left", "right", "feet", "both"]
        gaze = f"/simulations/{person['id']}/gaze"

        assert http.put(gaze, json={"target": 3}).status_code == 204
        refused = http.put(gaze, json={"target": 4})

        assert refused.status_code == 422
        assert refused.json()["detail"] == "target 4; allowed: 0 to 3, or none"
        assert http.post("/simulations", json={"kind": "imagery", "day": -1}).status_code == 422
        assert http.delete(f"/simulations/{person['id']}").status_code == 204
