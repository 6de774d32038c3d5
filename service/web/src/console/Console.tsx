// The console: find a stream, make a session, see its signal and what is decoded from it.
import { render, type RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { call, sentence, UnreachableError } from "../shared/api";
import { Redraw } from "../shared/drawing";
import { Frame, nameSessionInAddress, sessionOfAddress, tell } from "../shared/frame";
import { everyBehindNews } from "../shared/news";
import { describeLink, SHOWN_AFTER_S, useSession } from "../shared/useSession";
import type { Cue, Intent, SessionView, StateView, StreamView } from "../shared/wire";
import { Calibration } from "./Calibration";
import { Evidence, OwnState } from "./Decoder";
import { HeadPlot } from "./HeadPlot";
import { LatencyChart } from "./Latency";
import { Models } from "./Models";
import { NewSession } from "./NewSession";
import { Quality, Scope } from "./Scope";
import { Spectrum } from "./Spectrum";
import { Streams } from "./Streams";
import "../shared/style.css";
import "./console.css";

const SESSIONS_EVERY_MS = 1000;
const STATE_EVERY_MS = 1000;
const SHOWN_INTENTS = 40;
/** Intents come up to a hundred times a second; a person reads them far more slowly. */
const DRAW_EVERY_MS = 200;
const FINAL = new Set(["stopped", "failed"]);

function useSessions(): { sessions: SessionView[]; reached: boolean; refresh: () => void } {
  const [sessions, setSessions] = useState<SessionView[]>([]);
  const [reached, setReached] = useState(true);
  const refresh = useCallback(() => {
    call("get", "/v1/sessions")
      .then((answer) => {
        setSessions((before) => (JSON.stringify(answer.sessions) === JSON.stringify(before) ? before : answer.sessions));
        setReached(true);
      })
      .catch((error: unknown) => {
        if (error instanceof UnreachableError) setReached(false);
      });
  }, []);
  useEffect(() => {
    refresh();
    return everyBehindNews(SESSIONS_EVERY_MS, () => document.hidden || refresh());
  }, [refresh]);
  return { sessions, reached, refresh };
}

function useState_(session: string | null, on: boolean): StateView | null {
  const [state, setState] = useState<StateView | null>(null);
  useEffect(() => {
    setState(null);
    if (session === null || !on) return;
    let busy = false;
    const ask = async () => {
      if (busy || document.hidden) return;
      busy = true;
      try {
        setState(await call("get", "/v1/sessions/{id}/state", { path: { id: session } }));
      } catch {
        // the socket says why the service does not answer
      } finally {
        busy = false;
      }
    };
    void ask();
    return everyBehindNews(STATE_EVERY_MS, () => void ask());
  }, [session, on]);
  return state;
}

function Console() {
  const { sessions, reached, refresh } = useSessions();
  const [session, setSession] = useState(sessionOfAddress);
  const [stream, setStream] = useState<StreamView | null>(null);
  const [all, setAll] = useState<StreamView[]>([]);
  const take = useRef<((intent: Intent) => void) | null>(null);

  const [cue, setCue] = useState<Cue | null>(null);
  const [nCalibrated, setNCalibrated] = useState(0);
  const [calibrating, setCalibrating] = useState(false);

  const handle = useSession(session, SHOWN_AFTER_S, (intent) => take.current?.(intent), setCue);
  useEffect(() => nameSessionInAddress(session), [session]);
  // With one session there is nothing to choose.
  useEffect(() => {
    const live = sessions.filter((each) => !FINAL.has(each.state));
    if (session === null && live.length === 1) setSession(live[0]!.id);
  }, [sessions, session]);

  const view = sessions.find((each) => each.id === session) ?? null;
  const state = useState_(session, reached);
  const [link, tone] = reached ? describeLink(handle, session) : ["the service does not answer", "bad" as const];
  const decoder = handle.hello?.config.decoder as { kind: string; model?: string | null; network?: string | null } | undefined;
  const live = handle.link === "open" && !FINAL.has(handle.standing?.state ?? "created");
  const recorded = sessions.filter((each) => each.recording?.file && !FINAL.has(each.state));

  const act = async (what: "stop" | "delete") => {
    if (session === null) return;
    try {
      if (what === "stop") await call("post", "/v1/sessions/{id}/stop", { path: { id: session } });
      else {
        await call("delete", "/v1/sessions/{id}", { path: { id: session } });
        setSession(null);
      }
      refresh();
    } catch (error) {
      tell("bad", sentence(error));
    }
  };

  return (
    <Frame
      page="/"
      session={session}
      link={link}
      linkTone={tone}
      recording={recorded.length ? recorded.map((each) => each.id).join(", ") : null}
      held={handle.held}
      onStop={handle.stop}
      onRelease={handle.release}
    >
      <h1 class="visually-hidden">Console</h1>
      <div class="console">
        <div class="left">
          <Sessions sessions={sessions} chosen={session} onChoose={setSession} />
          <Streams
            chosen={stream}
            onChoose={(chosen, found) => {
              setAll(found);
              setStream(chosen);
            }}
          />
          <NewSession
            stream={stream}
            all={all}
            onMade={(made) => {
              refresh();
              setSession(made.id);
            }}
          />
        </div>
        {session === null ? (
          <section class="card empty">
            <h2>No session is chosen</h2>
            <p>
              Choose a stream on the left (or a simulated headset), then make a session: its signal, its
              decisions and its state appear here.
            </p>
            <p>
              <a href="/speller">Speller</a> and <a href="/cursor">cursor</a> work on the session that is chosen
              here; the cursor can be tried with the mouse alone.
            </p>
          </section>
        ) : (
          <>
            <div class="middle">
              <StateCard view={view} handle={handle} state={state} onStop={() => void act("stop")} onDelete={() => void act("delete")} />
              <Scope key={session} session={session} quality={state?.quality ?? []} />
              <section class="card" aria-labelledby="latency-title">
                <h2 id="latency-title">Latency by step</h2>
                <LatencyChart key={session} state={state} />
              </section>
              <Spectrum key={`spectrum ${session}`} session={session} live={live} />
              <Models
                session={session}
                version={`${decoder?.kind} ${decoder?.model ?? decoder?.network} ${nCalibrated}`}
                signal={state?.signal}
                live={live}
                calibrating={calibrating}
              />
              <Calibration
                key={`calibration ${session}`}
                session={session}
                view={view}
                cue={cue}
                clock={handle.live?.clock ?? null}
                live={live}
                onGoing={setCalibrating}
                onEnded={() => setNCalibrated((n) => n + 1)}
              />
            </div>
            <div class="right">
              <Decided key={session} kind={view?.config.decoder.kind ?? null} state={state} take={take} />
              <section class="card" aria-labelledby="quality-title">
                <h2 id="quality-title">Quality by channel</h2>
                <HeadPlot quality={state?.quality ?? []} />
                <Quality quality={state?.quality ?? []} />
              </section>
            </div>
          </>
        )}
      </div>
    </Frame>
  );
}

function Sessions(props: { sessions: SessionView[]; chosen: string | null; onChoose: (id: string) => void }) {
  if (!props.sessions.length) return null;
  return (
    <section class="card" aria-labelledby="sessions-title">
      <h2 id="sessions-title">Sessions</h2>
      <ul class="streams" aria-label="Sessions">
        {props.sessions.map((each) => (
          <li key={each.id}>
            <button class="grow" aria-pressed={each.id === props.chosen} onClick={() => props.onChoose(each.id)}>
              <strong>{each.id}</strong>
              <span>
                {each.state}
                {each.recording?.file && !FINAL.has(each.state) && ", recording"}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

const STATE_TONES: Record<string, string> = { running: "good", degraded: "warn", connecting: "warn", created: "warn", failed: "bad", stopped: "soft" };

function StateCard(props: {
  view: SessionView | null;
  handle: ReturnType<typeof useSession>;
  state: StateView | null;
  onStop: () => void;
  onDelete: () => void;
}) {
  const { view, handle, state } = props;
  const standing = handle.standing;
  const now = standing?.state ?? view?.state ?? "connecting";
  const reason = standing?.reason || view?.reason || "";
  const lost = state?.continuity?.missing ?? 0;
  return (
    <section class="card state" aria-labelledby="state-title">
      <div class="row">
        <h2 id="state-title">{view?.id ?? "Session"}</h2>
        <span class={`badge ${STATE_TONES[now] ?? ""}`} data-state={now}>
          {now}
        </span>
        <span class="grow reason">{reason}</span>
        <button class="small" onClick={props.onStop} disabled={FINAL.has(now)}>
          Stop session
        </button>
        <button class="small" onClick={props.onDelete}>
          Delete
        </button>
      </div>
      <div class="facts soft">
        <span>
          {state?.samples ?? 0} samples, {state?.intents ?? 0} intents
        </span>
        <span class={lost || state?.dropped_samples ? "warn" : ""}>
          {lost} missing in {state?.continuity?.gaps ?? 0} gaps, {state?.dropped_samples ?? 0} dropped
        </span>
        <span>
          worker's life {view?.epoch ?? "–"}, {state?.reconnects ?? 0} reconnects
        </span>
        {handle.missed > 0 && <span class="warn">{handle.missed} intents missed here</span>}
      </div>
      {view?.recording?.error && <p class="bad">Recording: {view.recording.error}</p>}
      {view?.warnings.map((warning) => (
        <p key={warning} class="warn">
          {warning}
        </p>
      ))}
      {view && view.steps.length > 1 && (
        <details>
          <summary>Steps so far</summary>
          <ol class="steps">
            {view.steps.slice(-12).map((step) => (
              <li key={step.t}>
                <span class="number">{new Date(step.utc * 1000).toLocaleTimeString()}</span> {step.state}: {step.reason}
              </li>
            ))}
          </ol>
        </details>
      )}
    </section>
  );
}

function describe(intent: Intent): string {
  switch (intent.kind) {
    case "selection":
      return `${intent.label} (${Math.round((intent.confidence ?? 0) * 100)} %)`;
    case "class":
      return intent.label;
    case "cursor":
      return intent.velocity.map((value) => (value ?? 0).toFixed(2)).join(", ");
    case "idle":
      return intent.reason;
    case "click":
      return "";
  }
}

/** What the decoder thinks and its intents, by themselves: they come far more often than all else. */
function Decided(props: { kind: string | null; state: StateView | null; take: RefObject<((intent: Intent) => void) | null> }) {
  const [intents, setIntents] = useState<Intent[]>([]);
  useEffect(() => {
    let last: Intent[] = [];
    const redraw = new Redraw(() => setIntents(last), DRAW_EVERY_MS, true);
    props.take.current = (intent) => {
      last = [intent, ...last.slice(0, SHOWN_INTENTS - 1)];
      redraw.ask();
    };
    return () => {
      props.take.current = null;
      redraw.stop();
    };
  }, []);
  return (
    <>
      <section class="card" aria-labelledby="decoder-title">
        <h2 id="decoder-title">Decoder {props.kind && <span class="soft">{props.kind}</span>}</h2>
        <Evidence intent={intents.find((each) => each.kind !== "idle") ?? intents[0] ?? null} />
        <OwnState state={props.state} />
      </section>
      <Intents intents={intents} />
    </>
  );
}

function Intents({ intents }: { intents: Intent[] }) {
  return (
    <section class="card" aria-labelledby="intents-title">
      <h2 id="intents-title">Intents</h2>
      {intents.length === 0 ? (
        <p class="soft">None has come yet.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="The last intents, newest first">
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">
                  No.
                </th>
                <th scope="col">Kind</th>
                <th scope="col">What</th>
              </tr>
            </thead>
            <tbody>
              {intents.map((intent) => (
                <tr key={`${intent.epoch}-${intent.seq}`} class={intent.kind}>
                  <td class="number">{intent.seq}</td>
                  <td>{intent.kind}</td>
                  <td>{describe(intent)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

render(<Console />, document.getElementById("app")!);
