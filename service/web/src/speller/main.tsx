// The speller: targets that flicker, each at its own frequency and phase, and what is decoded of them.
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { parse } from "yaml";
import { call, sentence } from "../shared/api";
import { Frame, nameSessionInAddress, sessionOfAddress, tell } from "../shared/frame";
import { saveText } from "../shared/save";
import { describeLink, useSession } from "../shared/useSession";
import { csvOf, DisplayRate, Screen, whyNot, type Mark } from "./flicker";
import { layoutOf, type Layout } from "./layout";
import { Run, scoreOf, type Choice, type Mode } from "./run";
import { complete, suggest } from "./words";
import "../shared/style.css";
import "./speller.css";

const ACCEPTED = "volition-flicker-accepted";
const PRESET = "fbcca-40";

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

function marksOf(run: Run | null): Map<number, Mark> {
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
  const [simulation, setSimulation] = useState<string | null>(null);
  const [starting, setStarting] = useState(false);
  const [mode, setMode] = useState<Mode>("copy");
  const [phrase, setPhrase] = useState("BCI");
  const [text, setText] = useState("");
  const [history, setHistory] = useState<string[]>([]);
  const [choices, setChoices] = useState<Choice[]>([]);
  const [running, setRunning] = useState(false);
  const [display, setDisplay] = useState({ rateHz: 0, dropped: 0, frames: 0 });
  const canvas = useRef<HTMLCanvasElement>(null);
  const run = useRef<Run | null>(null);
  const screen = useRef<Screen | null>(null);

  const handle = useSession(session, (intent) => {
    const going = run.current;
    going?.take(intent, performance.now());
  });
  const layout: Layout | null = handle.hello ? layoutOf(handle.hello.config) : null;
  const now = useRef({ handle, simulation, layout });
  now.current = { handle, simulation, layout };

  useEffect(() => nameSessionInAddress(session), [session]);
  useEffect(() => {
    const source = handle.hello?.config.stream.source_id;
    if (!source) return;
    call("get", "/v1/simulations")
      .then(({ simulations }) => {
        setSimulation(simulations.find((each) => each.source_id === source && each.kind === "speller")?.id ?? null);
      })
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [handle.hello]);

  const gaze = useCallback((target: number | null, t: number | null) => {
    const id = now.current.simulation;
    if (id === null) return;
    call("put", "/v1/simulations/{id}/gaze", { path: { id }, body: { target, t } }).catch((error: unknown) => tell("warn", sentence(error)));
  }, []);

  const end = useCallback(
    (why: string) => {
      if (run.current === null) return;
      run.current = null;
      gaze(null, null);
      setRunning(false);
      if (why) tell("warn", `Spelling ended: ${why}`);
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
      frame = requestAnimationFrame(step);
      rate.add(timeMs);
      run.current?.frame(timeMs);
      const going = run.current;
      const flickers = going?.phase === "flicker" || going?.phase === "gaze";
      const size = `${element.clientWidth} ${element.clientHeight}`;
      // Without a run all stands still, and is drawn again only at another size.
      if (going || size !== rested) drawn.draw(layout, { onsetMs: flickers ? going!.onsetMs : null, marks: marksOf(going) }, timeMs);
      rested = going ? "" : size;
      if (timeMs - said > 500) {
        said = timeMs;
        setDisplay({ rateHz: rate.known ? rate.hz : 0, dropped: drawn.log.dropped, frames: drawn.log.times.length });
      }
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [accepted, layout?.targets.map((target) => target.label + target.freqHz).join()]);

  const start = () => {
    if (run.current) return end("");
    if (!layout) return;
    const wanted = phrase.toUpperCase();
    setChoices([]);
    setText("");
    setHistory([]);
    const lslAt = (atMs: number) => now.current.handle.live?.clock.lsl(atMs) ?? null;
    run.current = new Run(layout, mode, wanted, lslAt, {
      onset(onsetMs, target) {
        screen.current?.beginLog();
        gaze(target, lslAt(onsetMs));
        if (layout.onsetMarker === null) return;
        const data = target === null ? {} : { target: layout.targets[target]!.label, freq_hz: layout.targets[target]!.freqHz };
        if (!now.current.handle.live?.mark(layout.onsetMarker, data, onsetMs)) end("the onset could not be told");
      },
      offset: () => gaze(null, null),
      choice() {
        const going = run.current;
        if (!going) return;
        setChoices([...going.choices]);
        setText((before) => {
          setHistory((all) => [...all, before]);
          return going.text;
        });
      },
      over: () => end(""),
    });
    setRunning(true);
  };
  const write = (changed: string) => {
    setHistory((all) => [...all, text]);
    setText(changed);
    if (run.current) run.current.text = changed;
  };
  const undo = () => {
    const before = history[history.length - 1];
    if (before === undefined) return;
    setHistory(history.slice(0, -1));
    setText(before);
    if (run.current) run.current.text = before;
  };
  const words = suggest(text);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /INPUT|SELECT|TEXTAREA/.test(event.target.tagName);
      if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
      const word = words[Number(event.key) - 1];
      if (word !== undefined) write(complete(text, word));
      else if (event.key === "Backspace") undo();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });

  const simulate = async () => {
    setStarting(true);
    try {
      const { presets } = await call("get", "/v1/presets");
      const preset = presets.find((each) => each.name === PRESET);
      if (!preset) throw new Error(`the service has no preset ${PRESET}`);
      const person = await call("post", "/v1/simulations", { body: { kind: "speller" } });
      const config = parse(preset.text, { version: "1.1" }) as Record<string, unknown>;
      delete config["markers"]; // they come from this page
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
  const uncertain = handle.live?.clock.uncertainty ?? null;
  return (
    <Frame
      page="/speller"
      session={session}
      link={link}
      linkTone={tone}
      recording={handle.hello?.config.outputs?.record && state === "running" ? session : null}
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
              </select>
              <label class="grow">
                {mode === "copy" ? "Text to copy" : simulation ? "What the simulated person wants to write" : "Wanted text, if it is to be scored"}
                <input class="grow" maxLength={60} value={phrase} disabled={running} onInput={(event) => setPhrase(event.currentTarget.value)} />
              </label>
              <button class="main" onClick={start} disabled={!layout || (!running && (state !== "running" || (mode === "copy" && !phrase)))}>
                {running ? "End" : "Start"}
              </button>
              <button onClick={() => void simulate()} disabled={starting || running}>
                {starting ? "Starting…" : "Simulated participant"}
              </button>
            </div>
            <Figures choices={choices} layout={layout} over={!running && choices.length > 0} />
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

function Figures({ choices, layout, over }: { choices: Choice[]; layout: Layout | null; over: boolean }) {
  const score = scoreOf(choices, layout?.targets.length ?? 1);
  const number = (value: number | null, unit: string, digits = 0) => (value === null ? "–" : `${value.toFixed(digits)}${unit}`);
  return (
    <div class="row figures" data-over={over} data-accuracy={score.accuracy ?? ""}>
      <span>
        Choices <b class="number">{choices.length}</b>
      </span>
      <span>
        Accuracy <b class="number">{number(score.accuracy === null ? null : score.accuracy * 100, " %")}</b>
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
