// The speller: targets that flicker, each at its own frequency and phase, and what is decoded of them.
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { parse } from "yaml";
import { call, sentence } from "../shared/api";
import { calibrate, modelName, type CalibrationBody } from "../shared/calibration";
import { Frame, nameSessionInAddress, sessionOfAddress, tell } from "../shared/frame";
import { saveText } from "../shared/save";
import { describeLink, SHOWN_AFTER_S, useSession } from "../shared/useSession";
import { useSimulation } from "../shared/useSimulation";
import { named } from "../shared/words";
import type { CalibrationView } from "../shared/wire";
import { decoderFor, onsetOf, Outcome, PlanInputs, USUAL_PLAN, whyNotPlan, type Progress } from "./Calibrate";
import { csvOf, DisplayRate, Screen, whyNot, type Mark } from "./flicker";
import { keyOf, layoutOf, placeAmongForty, SMALLER, type Layout } from "./layout";
import { CalibrationRun, Run, scoreOf, type Choice, type Mode as Spelling, type Trials } from "./run";
import { complete, suggest } from "./words";
import "../shared/style.css";
import "./speller.css";

const ACCEPTED = "volition-flicker-accepted";
const PRESET = "fbcca-40";
const ALL_TARGETS = 40;
const FOR_FEW_TARGETS = "CAB";
/** Without a calibration: as soon as the confidence is this, and nothing where it never is. */
const STOPPING = { rule: "confidence", threshold: 0.9, min_s: 0.5, step_s: 0.25 };
/** Signal of the last trial that is still on its way is waited for so long. */
const SETTLE_MS = 800;
const MODEL = "speller";
const NOTHING: Record<string, string> = {
  rest: "the signal looks like rest",
  low_confidence: "it was not sure enough",
  missing_samples: "samples were missing",
  no_answer: "no decision came in time",
  held: "the emergency stop is on",
};

type Mode = Spelling | "calibrate";

type Body = NonNullable<Parameters<typeof call<"/v1/sessions", "post">>[2]>["body"];

function Warning({ onAccept }: { onAccept: () => void }) {
  return (
    <section class="card warning" aria-labelledby="warning-title">
      <h2 id="warning-title">This page flickers</h2>
      <p>
        Large parts of the screen flicker 8 to 16 times a second. In people with photosensitive epilepsy this
        can cause a seizure, also in some who never had one. Do not go on if you or somebody who sees the
        screen may be photosensitive, and stop at once (Esc) at discomfort, twitching or a headache.
      </p>
      <button class="main" onClick={onAccept}>
        I have read this; everyone who sees the screen may see flicker
      </button>
    </section>
  );
}

function marksOf(run: Trials | null): Map<number, Mark> {
  const marks = new Map<number, Mark>();
  if (!run) return marks;
  if (run.wanted !== null && run.phase !== "feedback") marks.set(run.wanted, "cue");
  if (run.phase === "feedback" && run.chosen !== null) {
    marks.set(run.chosen, run.wanted === null || run.wanted === run.chosen ? "right" : "wrong");
  }
  return marks;
}

function Speller() {
  const [accepted, setAccepted] = useState(() => sessionStorage.getItem(ACCEPTED) === "yes");
  const [session, setSession] = useState(sessionOfAddress);
  const [starting, setStarting] = useState(false);
  const [mode, setMode] = useState<Mode>("copy");
  const [phrase, setPhrase] = useState("BCI");
  const [text, setText] = useState("");
  const [history, setHistory] = useState<string[]>([]);
  const [choices, setChoices] = useState<Choice[]>([]);
  const [running, setRunning] = useState(false);
  const [nTargets, setNTargets] = useState(ALL_TARGETS);
  const [plan, setPlan] = useState(USUAL_PLAN);
  const [progress, setProgress] = useState<Progress>(null);
  const [fitting, setFitting] = useState(false);
  const [earlier, setEarlier] = useState<string | null>(null);
  const [display, setDisplay] = useState({ rateHz: 0, dropped: 0, frames: 0 });
  const canvas = useRef<HTMLCanvasElement>(null);
  const run = useRef<Trials | null>(null);
  const screen = useRef<Screen | null>(null);
  const wake = useRef(() => {});

  const handle = useSession(session, running ? 0 : SHOWN_AFTER_S, (intent) => {
    if (run.current instanceof Run) run.current.take(intent, performance.now());
  });
  const [simulation, setSimulation] = useSimulation("speller", handle.hello);
  const layout: Layout | null = handle.hello ? layoutOf(handle.hello.config) : null;
  const now = useRef({ handle, simulation, layout });
  now.current = { handle, simulation, layout };
  const decoder = handle.hello?.config.decoder as { kind: string; model?: string | null } | undefined;

  useEffect(() => nameSessionInAddress(session), [session]);

  useEffect(() => {
    if (session === null || !handle.hello) return;
    call("get", "/v1/sessions/{id}/model", { path: { id: session } })
      .then(({ earlier }) => setEarlier(earlier[0] ? named(earlier[0].decoder, earlier[0].model) : null))
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [session, handle.hello]);

  const gaze = useCallback((index: number | null, t: number | null) => {
    const { simulation: id, layout } = now.current;
    if (id === null) return;
    const target = index === null || !layout ? null : placeAmongForty(layout.targets[index]!.freqHz);
    call("put", "/v1/simulations/{id}/gaze", { path: { id }, body: { target, t } }).catch((error: unknown) => tell("warn", sentence(error)));
  }, []);

  const end = useCallback(
    (why: string) => {
      const ended = run.current;
      if (ended === null) return;
      run.current = null;
      gaze(null, null);
      setRunning(false);
      if (ended instanceof CalibrationRun) setProgress(null);
      if (why) tell("warn", ended instanceof Run ? `Spelling ended: ${why}` : `Calibration ended, nothing was learned: ${why}`);
    },
    [gaze],
  );

  // Nothing flickers on while its decisions cannot come.
  const state = handle.standing?.state;
  useEffect(() => {
    if (!running) return;
    if (handle.held) end("emergency stop");
    else if (handle.link !== "open") end("the connection was lost");
    else if (state && state !== "running") end(`the session is ${state}`);
  }, [running, handle.held, handle.link, state, end]);

  useEffect(() => {
    const element = canvas.current;
    if (!element || !layout) return;
    const rate = new DisplayRate();
    const drawn = new Screen(element, rate);
    screen.current = drawn;
    let frame = 0;
    let said = 0;
    let rested = "";
    const step = (timeMs: number) => {
      rate.add(timeMs);
      run.current?.frame(timeMs);
      const going = run.current;
      const flickers = going?.phase === "flicker" || going?.phase === "gaze";
      const size = `${element.clientWidth} ${element.clientHeight}`;
      // Without a run all stands still, and is drawn again only at another size.
      if (going || size !== rested) drawn.draw(layout, { onsetMs: flickers ? going!.onsetMs : null, marks: marksOf(going) }, timeMs);
      const ended = !going && rested === "";
      rested = going ? "" : size;
      const waits = !going && rate.settled;
      frame = waits ? 0 : requestAnimationFrame(step);
      if (timeMs - said > 500 || ended || waits) {
        said = timeMs;
        setDisplay({ rateHz: rate.known ? rate.hz : 0, dropped: drawn.log.dropped, frames: drawn.log.times.length });
      }
    };
    wake.current = () => {
      if (frame) return;
      rate.begin();
      frame = requestAnimationFrame(step);
    };
    const resize = new ResizeObserver(() => wake.current());
    resize.observe(element);
    return () => {
      cancelAnimationFrame(frame);
      resize.disconnect();
    };
  }, [accepted, layout?.targets.map((target) => target.label + target.freqHz).join()]);

  useEffect(() => {
    if (running) wake.current();
  }, [running]);

  const lslAt = (atMs: number) => now.current.handle.live?.clock.lsl(atMs) ?? null;
  const onset = (layout: Layout, marker: string | null, onsetMs: number, target: number | null) => {
    screen.current?.beginLog();
    setDisplay((last) => ({ ...last, dropped: 0, frames: 0 }));
    gaze(target, lslAt(onsetMs));
    if (marker === null) return;
    const data = target === null ? {} : { target: layout.targets[target]!.label, freq_hz: layout.targets[target]!.freqHz };
    if (!now.current.handle.live?.mark(marker, data, onsetMs)) end("the onset could not be told");
  };

  const start = () => {
    if (run.current) return end("");
    if (!layout) return;
    if (mode === "calibrate") return ask(layout);
    const wanted = phrase.toUpperCase();
    setChoices([]);
    setText("");
    setHistory([]);
    setProgress(null);
    const spelling: Run = new Run(layout, mode, wanted, lslAt, {
      onset: (onsetMs, target) => onset(layout, layout.onsetMarker, onsetMs, target),
      offset: () => gaze(null, null),
      choice(choice) {
        setChoices([...spelling.choices]);
        if (choice.chosen === null) return;
        setText((before) => {
          setHistory((all) => [...all, before]);
          return spelling.text;
        });
      },
      over: () => end(""),
    });
    run.current = spelling;
    setRunning(true);
  };

  /** Ask for every target in turn, and have a model fitted to what came of it. */
  const ask = (layout: Layout) => {
    const began = performance.now();
    setChoices([]);
    const asking: CalibrationRun = new CalibrationRun(layout, plan.blocks, plan.windowS, lslAt, {
      onset(onsetMs, target) {
        setProgress({ asking: asking.number, of: asking.total });
        onset(layout, onsetOf(layout), onsetMs, target);
      },
      offset() {
        gaze(null, null);
        if (!now.current.handle.live?.mark("trial_end")) end("the end of a trial could not be told");
      },
      choice: () => undefined,
      over() {
        run.current = null;
        setRunning(false);
        void fit(layout, began);
      },
    });
    run.current = asking;
    setRunning(true);
  };

  const fit = async (layout: Layout, began: number) => {
    const config = now.current.handle.hello?.config;
    if (session === null || !config) return;
    setFitting(true);
    try {
      await new Promise((done) => setTimeout(done, SETTLE_MS));
      const body = {
        name: MODEL,
        decoder: decoderFor(plan, layout, config),
        last_s: (performance.now() - began) / 1000 + 1,
        swap: true,
      } as unknown as CalibrationBody;
      const ended = await calibrate(session, body, setProgress);
      if (ended.state === "done") tell("good", `${session} decodes by ${modelName(ended)} now.`);
    } catch (error) {
      setProgress(null);
      tell("bad", `The calibration failed: ${sentence(error)}`);
    } finally {
      setFitting(false);
    }
  };
  const cancel = (made: CalibrationView) => {
    call("delete", "/v1/sessions/{id}/calibrations/{cid}", { path: { id: made.session, cid: made.id } }).catch((error: unknown) => tell("bad", sentence(error)));
  };
  const goBack = () => {
    if (session === null) return;
    call("post", "/v1/sessions/{id}/model/rollback", { path: { id: session } })
      .then((use) => tell("good", `${session} decodes by ${named(use.decoder, use.model)} again.`))
      .catch((error: unknown) => tell("bad", sentence(error)));
  };
  const write = (changed: string) => {
    setHistory((all) => [...all, text]);
    setText(changed);
    if (run.current instanceof Run) run.current.text = changed;
  };
  const undo = () => {
    const before = history[history.length - 1];
    if (before === undefined) return;
    setHistory(history.slice(0, -1));
    setText(before);
    if (run.current instanceof Run) run.current.text = before;
  };
  const words = suggest(text);
  const keyed = useRef((_: KeyboardEvent) => {});
  keyed.current = (event) => {
    const typing = event.target instanceof HTMLElement && /INPUT|SELECT|TEXTAREA/.test(event.target.tagName);
    if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
    const word = words[Number(event.key) - 1];
    if (word !== undefined) write(complete(text, word));
    else if (event.key === "Backspace") undo();
    else return;
    event.preventDefault();
  };
  // A key means what is on the screen when it is pressed, not what was there before the last drawing.
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => keyed.current(event);
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  const simulate = async () => {
    setStarting(true);
    try {
      const { presets } = await call("get", "/v1/presets");
      const preset = presets.find((each) => each.name === PRESET);
      if (!preset) throw new Error(`the service has no preset ${PRESET}`);
      const person = await call("post", "/v1/simulations", { body: { kind: "speller" } });
      const config = parse(preset.text, { version: "1.1" }) as Record<string, unknown>;
      delete config["markers"]; // they come from this page
      const decoder = config["decoder"] as { targets: { label: string }[] };
      const few = SMALLER[nTargets];
      if (few) {
        decoder.targets = decoder.targets.filter(({ label }) => few.includes(label));
        setPhrase((wanted) => ([...wanted.toUpperCase()].every((each) => few.includes(keyOf(each))) ? wanted : FOR_FEW_TARGETS));
      }
      config["decoder"] = { ...decoder, stopping: STOPPING };
      config["stream"] = { ...(config["stream"] as object), source_id: person.source_id };
      const made = await call("post", "/v1/sessions", { body: config as unknown as Body });
      setSimulation(person.id);
      setSession(made.id);
      tell("good", `${person.about}: ${person.id}`);
    } catch (error) {
      tell("bad", sentence(error));
    } finally {
      setStarting(false);
    }
  };

  const [link, tone] = describeLink(handle, session);
  const cannot = layout && display.rateHz ? whyNot(display.rateHz, layout) : "";
  const unwritten = layout && mode !== "calibrate" ? missingIn(phrase, layout) : "";
  const unplanned = layout && handle.hello && mode === "calibrate" ? whyNotPlan(plan, layout, handle.hello.config) : "";
  const last = choices[choices.length - 1];
  const uncertain = handle.live?.clock.uncertainty ?? null;
  return (
    <Frame
      page="/speller"
      session={session}
      link={link}
      linkTone={tone}
      recording={handle.hello?.config.outputs?.some(({ kind }) => kind === "record") && state === "running" ? session : null}
      held={handle.held}
      onStop={handle.stop}
      onRelease={handle.release}
    >
      <h1 class="visually-hidden">Speller</h1>
      {!accepted ? (
        <Warning
          onAccept={() => {
            sessionStorage.setItem(ACCEPTED, "yes");
            setAccepted(true);
          }}
        />
      ) : (
        <div class="speller">
          <section class="card written" aria-label="What is written">
            <output class="text" aria-live="polite">
              {text || " "}
            </output>
            <div class="row">
              <span class={last?.chosen === null ? "warn" : "soft"} role="status" data-last={last ? (last.chosen ?? "nothing") : ""}>
                {last && (last.chosen === null ? `Nothing was selected: ${NOTHING[last.idle] ?? last.idle}.` : `${last.chosen}, after ${last.flickerS.toFixed(2)} s.`)}
              </span>
              {words.map((word, i) => (
                <button key={word} class="small" onClick={() => write(complete(text, word))}>
                  {i + 1} {word}
                </button>
              ))}
              <span class="grow" />
              <button class="small" onClick={undo} disabled={!history.length}>
                Undo (Backspace)
              </button>
            </div>
          </section>
          {layout ? (
            <canvas ref={canvas} class="targets" role="img" aria-label={`${layout.targets.length} targets: ${layout.targets.map((target) => target.label).join(" ")}`} />
          ) : (
            <section class="card targets-none">
              <p>
                {session === null
                  ? "Choose a session in the console whose decoder tells flickers apart, or try the simulated participant."
                  : handle.hello
                    ? `The decoder of ${session} (${handle.hello.config.decoder.kind}) has no flickering targets.`
                    : "Waiting for the session."}
              </p>
            </section>
          )}
          <section class="card controls" aria-label="Spelling">
            <div class="row">
              <select aria-label="Mode" value={mode} disabled={running} onChange={(event) => setMode(event.currentTarget.value as Mode)}>
                <option value="copy">Copy-spelling</option>
                <option value="free">Free spelling</option>
                <option value="calibrate">Calibration</option>
              </select>
              {mode === "calibrate" ? (
                layout && <PlanInputs plan={plan} layout={layout} disabled={running || fitting} onPlan={setPlan} />
              ) : (
                <label class="grow">
                  {mode === "copy" ? "Text to copy" : simulation ? "What the simulated person wants to write" : "Wanted text, if it is to be scored"}
                  <input class="grow" maxLength={60} value={phrase} disabled={running} onInput={(event) => setPhrase(event.currentTarget.value)} />
                </label>
              )}
              {fitting && progress && "id" in progress ? (
                <button onClick={() => cancel(progress)}>Cancel</button>
              ) : (
                <button
                  class="main"
                  onClick={start}
                  disabled={!layout || fitting || (!running && (state !== "running" || unplanned !== "" || (mode === "copy" && (!phrase || unwritten !== ""))))}
                >
                  {running ? "End" : "Start"}
                </button>
              )}
              <select aria-label="Targets of the simulated participant's screen" value={nTargets} disabled={starting || running} onChange={(event) => setNTargets(Number(event.currentTarget.value))}>
                {[...Object.keys(SMALLER).map(Number), ALL_TARGETS].map((n) => (
                  <option key={n} value={n}>
                    {n} targets
                  </option>
                ))}
              </select>
              <button onClick={() => void simulate()} disabled={starting || running || fitting}>
                {starting ? "Starting…" : "Simulated participant"}
              </button>
            </div>
            {unwritten && <p class="warn">No target writes {unwritten}.</p>}
            {unplanned && !running && <p class="warn">This calibration would be of no use: {unplanned}.</p>}
            {mode === "calibrate" ? <Outcome progress={progress} /> : <Figures choices={choices} layout={layout} over={!running && choices.length > 0} />}
            {layout && decoder && (
              <div class="row soft">
                <span data-model={decoder.model ?? ""}>Decodes by {named(decoder.kind, decoder.model)}</span>
                <span>
                  {layout.soonestS < layout.longestS
                    ? `decides ${layout.soonestS.toFixed(2)} to ${layout.longestS.toFixed(2)} s after the onset, as soon as it is sure`
                    : `decides ${layout.longestS.toFixed(2)} s after the onset`}
                </span>
                {earlier !== null && (
                  <button class="small" onClick={goBack} disabled={running || fitting}>
                    Back to {earlier}
                  </button>
                )}
              </div>
            )}
            <div class="row soft">
              <span>Display: {display.rateHz ? `${display.rateHz.toFixed(1)} Hz` : "measuring"}</span>
              <span class={display.dropped ? "warn" : ""} data-dropped={display.dropped}>
                {display.dropped} of {display.frames + display.dropped} frames dropped in the last flicker
              </span>
              <span>
                Clock: {uncertain === null ? "not measured yet" : `known within ${(uncertain * 1000).toFixed(1)} ms`}
              </span>
              <button
                class="small"
                disabled={!display.frames || running}
                onClick={() => layout && screen.current && saveText("frames.csv", "text/csv", csvOf(screen.current.log, layout))}
              >
                Save frame times
              </button>
            </div>
            {cannot && <p class="bad">The flicker would be wrong: {cannot}.</p>}
          </section>
        </div>
      )}
    </Frame>
  );
}

/** Characters of a text that no target writes. */
function missingIn(text: string, layout: Layout): string {
  const labels = new Set(layout.targets.map(({ label }) => label));
  return [...new Set(text.toUpperCase())].filter((each) => !labels.has(keyOf(each))).join(" ");
}

function Figures({ choices, layout, over }: { choices: Choice[]; layout: Layout | null; over: boolean }) {
  const score = scoreOf(choices, layout?.targets.length ?? 1);
  const number = (value: number | null, unit: string, digits = 0) => (value === null ? "–" : `${value.toFixed(digits)}${unit}`);
  return (
    <div class="row figures" data-over={over} data-accuracy={score.accuracy ?? ""}>
      <span>
        Choices <b class="number">{choices.length}</b>
      </span>
      <span>
        Accuracy of selections <b class="number">{number(score.accuracy === null ? null : score.accuracy * 100, " %")}</b>
      </span>
      <span>
        Nothing selected <b class="number">{score.nothing}</b>
      </span>
      <span>
        Characters a minute <b class="number">{number(score.perMinute, "", 1)}</b>
      </span>
      <span>
        Bits a minute, gaze included <b class="number">{number(score.itr, "", 1)}</b>
      </span>
      <span class="soft">
        {choices
          .slice(-6)
          .map((choice) => `${choice.wanted ?? "?"} → ${choice.chosen ?? "none"}`)
          .join(", ")}
      </span>
    </div>
  );
}

render(<Speller />, document.getElementById("app")!);
