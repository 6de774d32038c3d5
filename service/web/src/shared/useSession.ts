// A session's socket and its state as a page needs them: the link, the steps, whether it is held,
// and what was missed, told as notices.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, sentence } from "./api";
import { tell } from "./notices";
import { LiveSession, type Link, type Listener } from "./live";
import { useLatest } from "./useLatest";
import type { Cue, Hello, Intent, SessionState } from "./wire";

export interface Standing {
  state: SessionState;
  reason: string;
}

export interface SessionHandle {
  live: LiveSession | null;
  link: Link;
  why: string;
  standing: Standing | null;
  /** Its configuration follows what decodes. */
  hello: Hello | null;
  held: boolean;
  /** Whether the emergency stop is known to hold: shown is this, not the wish. */
  confirmed: boolean;
  missed: number;
  /** How often the connection came back. */
  returns: number;
  stop: (() => void) | null;
}

const TONES: Partial<Record<SessionState, "warn" | "bad" | "good">> = {
  degraded: "warn",
  connecting: "warn",
  failed: "bad",
  running: "good",
};

/** A page that only shows intents lets them gather for this long: whoever acts on them gets theirs first. */
export const SHOWN_AFTER_S = 0.2;

/** Intents come together once in `gatherS`, or each at once (0). */
export function useSession(session: string | null, gatherS: number, onIntent: (intent: Intent) => void, onCue?: (cue: Cue) => void): SessionHandle {
  const [live, setLive] = useState<LiveSession | null>(null);
  const [link, setLink] = useState<Link>("connecting");
  const [why, setWhy] = useState("");
  const [standing, setStanding] = useState<Standing | null>(null);
  const [hello, setHello] = useState<Hello | null>(null);
  const [held, setHeld] = useState(false);
  const [confirmed, setConfirmed] = useState(false);
  const [missed, setMissed] = useState(0);
  const [returns, setReturns] = useState(0);
  const take = useLatest({ onIntent, onCue });
  const now = useLatest({ held });

  useEffect(() => {
    setLink("connecting");
    setStanding(null);
    setHello(null);
    setHeld(false);
    setConfirmed(false);
    setMissed(0);
    setReturns(0);
    if (session === null) return;
    let before: SessionState | null = null;
    let decoded = "";
    const stand = (state: SessionState, reason: string) => {
      setStanding({ state, reason });
      if (before !== null && before !== state) tell(TONES[state] ?? "info", `${session} is ${state}: ${reason}`);
      before = state;
    };
    const listener: Listener = {
      link(now, reason) {
        setLink(now);
        setWhy(reason);
        if (now === "lost") tell("warn", `The connection was lost: ${reason}`);
      },
      hello(message) {
        setHello(message);
        setHeld(message.held);
        if (message.held) call("get", "/v1/sessions/{id}", { path: { id: session } })
          .then(({ stop }) => setConfirmed(stop.confirmed))
          .catch((error: unknown) => tell("warn", sentence(error)));
        stand(message.state, "");
      },
      status(message) {
        setHeld(message.held);
        setConfirmed(message.held && message.confirmed === true);
        stand(message.state, message.reason);
        const decodes = `${message.decoder} ${message.model}`;
        if (decodes === decoded) return;
        decoded = decodes;
        call("get", "/v1/sessions/{id}", { path: { id: session } })
          .then(({ config }) => setHello((last) => last && { ...last, config: config as Hello["config"] }))
          .catch((error: unknown) => tell("warn", sentence(error)));
      },
      intent: (intent) => take.current.onIntent(intent),
      cue: (cue) => take.current.onCue?.(cue),
      gap(from, to) {
        setMissed((count) => count + to - from + 1);
        tell("warn", `Intents ${from} to ${to} were missed and will not come.`);
      },
      refused: (detail) => tell("bad", `Refused: ${detail}`),
      back(lostS, sent) {
        setReturns((count) => count + 1);
        const meanwhile =
          sent === null ? "the session began anew" : `${sent} intents were sent meanwhile`;
        tell("good", `Connected again after ${lostS.toFixed(1)} s; ${meanwhile}.`);
      },
    };
    const opened = new LiveSession(session, listener);
    setLive(opened);
    return () => {
      opened.close();
      setLive(null);
    };
  }, [session]);

  useEffect(() => live?.gather(gatherS), [live, gatherS]);

  const stop = useCallback(() => {
    if (session === null) return;
    // By both ways: the one that is quicker wins, and one may be lost. What holds already stays
    // confirmed.
    if (!now.current.held) setConfirmed(false);
    setHeld(true);
    live?.send({ type: "estop" });
    call("post", "/v1/sessions/{id}/estop", { path: { id: session } })
      .then(({ held: holds, stop: { confirmed: is } }) => {
        setHeld(holds);
        setConfirmed(is);
      })
      .catch((error: unknown) => tell("bad", `The emergency stop is not confirmed: ${sentence(error)}`));
  }, [session, live]);
  return { live, link, why, standing, hello, held, confirmed, missed, returns, stop: session === null ? null : stop };
}

/** The session while it is recorded, and null while it is not. */
export function recordedSession(handle: SessionHandle, session: string | null): string | null {
  const records = handle.hello?.config.outputs?.some(({ kind }) => kind === "record");
  return records && handle.standing?.state === "running" ? session : null;
}

/** What decodes in the session, once that is known. */
export function decoderOf(handle: SessionHandle) {
  return handle.hello?.config.decoder as { kind: string; model?: string | null; network?: string | null } | undefined;
}

/** Say how the link to a session stands. */
export function describeLink(handle: SessionHandle, session: string | null): [string, "good" | "warn" | "bad"] {
  if (session === null) return ["no session chosen", "warn"];
  if (handle.link === "gone") return [`${session} is not there; waiting for it`, "bad"];
  if (handle.link === "lost") return ["connection lost; trying again", "bad"];
  if (handle.link === "connecting") return ["connecting", "warn"];
  const state = handle.standing?.state ?? "connecting";
  const tone = state === "running" ? "good" : state === "failed" ? "bad" : "warn";
  const returns = handle.returns ? `, connected again ${handle.returns}×` : "";
  return [`${session}: ${state}${returns}${handle.missed ? `, ${handle.missed} missed` : ""}`, tone];
}
