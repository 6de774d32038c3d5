// The cursor: tasks steered by what is decoded, with the mouse as the condition to compare with.
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { calibrate, modelName, type CalibrationBody } from "../shared/calibration";
import { drawnByProcessor } from "../shared/drawing";
import { Frame, nameSessionInAddress, sessionOfAddress, tell } from "../shared/frame";
import { NumberInput } from "../shared/NumberInput";
import { saveText } from "../shared/save";
import { describeLink, SHOWN_AFTER_S, useSession } from "../shared/useSession";
import { useSimulation } from "../shared/useSimulation";
import type { CalibrationView } from "../shared/wire";
import { Calibrate } from "./Calibrate";
import { draw, fit, lookOf, type Asked } from "./draw";
import { Guide, planOf, Scale } from "./guide";
import { Results } from "./Results";
import { Steering, type Control } from "./steering";
import { csvOf, TASKS, TaskRun, WORKSPACE_CM, type Point, type TaskName, type Trial } from "./task";
import "../shared/style.css";
import "./cursor.css";

const SCENE_EVERY_MS = 30;
const USUAL_TRIALS = 16;
const MOST_DT_S = 0.1;
/** Without a graphics processor, every other frame of a display of 60 Hz is drawn. */
const SPARING_MS = 25;
/** The rapid calibration of docs/protocol.md. */
const USUAL_SECONDS = 180;
const HELP_EVERY_MS = 500;
const MODEL = "cursor";

type Body = NonNullable<Parameters<typeof call<"/v1/sessions", "post">>[2]>["body"];

function Cursor() {
  const [session, setSession] = useState(sessionOfAddress);
  const [control, setControl] = useState<Control>(session === null ? "mouse" : "session");
  const [task, setTask] = useState<TaskName>("centre-out");
  const [wanted, setWanted] = useState(USUAL_TRIALS);
  const [byClick, setByClick] = useState(false);
  const [assist, setAssist] = useState(0);
  const [running, setRunning] = useState(false);
  const [starting, setStarting] = useState(false);
  const [trials, setTrials] = useState<Trial[]>([]);
  const [halted, setHalted] = useState("");
  const [seconds, setSeconds] = useState(USUAL_SECONDS);
  const [calibration, setCalibration] = useState<CalibrationView | null>(null);
  const [calibrating, setCalibrating] = useState(false);
  const [help, setHelp] = useState(0);
  const [earlier, setEarlier] = useState<string | null>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const steering = useRef(new Steering(control)).current;
  const run = useRef<TaskRun | null>(null);
  const wake = useRef(() => {});
  const guide = useRef<Guide | null>(null);
  const [sendsCursor, setSendsCursor] = useState(false);

  const handle = useSession(
    session,
    sendsCursor && control === "session" ? 0 : SHOWN_AFTER_S,
    (intent) => {
      if (intent.kind !== "idle" && intent.kind !== "click") setSendsCursor(intent.kind === "cursor");
      if (steering.take(intent)) wake.current();
    },
    (cue) => guide.current?.take(cue),
  );
  const [simulation, setSimulation] = useSimulation("cursor", handle.hello);
  steering.control = control;
  steering.assist = assist;
  const state = handle.standing?.state;
  const stopped =
    session === null
      ? "no session is chosen"
      : handle.held
        ? "emergency stop"
        : handle.link !== "open"
          ? `no connection${handle.why ? `: ${handle.why}` : ""}`
          : state !== "running"
            ? `${state}: ${handle.standing?.reason ?? ""}`
            : "";
  const now = useRef({ stopped, live: handle.live, simulation, wanted });
  now.current = { stopped, live: handle.live, simulation, wanted };

  useEffect(() => nameSessionInAddress(session), [session]);

  useEffect(() => {
    if (session === null || !handle.hello) return;
    call("get", "/v1/sessions/{id}/model", { path: { id: session } })
      .then(({ earlier }) => setEarlier(earlier[0] ? (earlier[0].model ?? earlier[0].decoder) : null))
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [session, handle.hello]);

  const finish = useCallback(() => {
    run.current = null;
    setRunning(false);
  }, []);

  useEffect(() => {
    const element = canvas.current!;
    let look = lookOf(element);
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => {
      look = lookOf(element);
      wake.current();
    };
    theme.addEventListener("change", recolour);
    const leastMs = drawnByProcessor() ? SPARING_MS : 0;
    let before = 0;
    let drawnAt = 0;
    let shown = 0;
    let sending = false;
    let said = "";
    let drawn = "";
    let frame = 0;
    const step = (time: number) => {
      const dt = Math.min(MOST_DT_S, Math.max(1e-3, (time - before) / 1000));
      before = time;
      const going = run.current;
      steering.pass(dt, now.current.live, now.current.stopped, going?.target ?? null);
      if (steering.halted !== said) setHalted((said = steering.halted));
      const ended = going?.show(steering.position, time / 1000, steering.takeClick()) ?? null;
      if (going && ended) {
        setTrials([...going.trials]);
        if (going.trials.length >= now.current.wanted) finish();
      }
      const asked: Asked | null = run.current ?? askedBy(guide.current, steering.position);
      const scene = `${steering.position.join()} ${steering.halted} ${asked?.target.at.join()} ${asked?.held} ${asked?.inside} ${element.clientWidth} ${look.back}`;
      if (scene !== drawn && time - drawnAt >= leastMs) {
        drawn = scene;
        drawnAt = time;
        draw(element, look, steering, asked);
      }
      const id = steering.control === "session" ? now.current.simulation : null;
      // Where all stands still no frame is asked for: a page that waits costs nothing.
      const waits = scene === drawn && asked === null && id === null && !steering.moves;
      frame = waits ? 0 : requestAnimationFrame(step);
      if (id !== null && time - shown > SCENE_EVERY_MS && !sending) {
        shown = time;
        sending = true;
        const target = asked ? ([...asked.target.at] as [number, number]) : null;
        call("put", "/v1/simulations/{id}/scene", { path: { id }, body: { cursor: [...steering.position] as [number, number], target } })
          .catch(() => setSimulation(null))
          .finally(() => {
            sending = false;
          });
      }
    };
    wake.current = () => {
      if (frame) return;
      before = performance.now();
      frame = requestAnimationFrame(step);
    };
    const size = new ResizeObserver(() => wake.current());
    size.observe(element);
    return () => {
      cancelAnimationFrame(frame);
      size.disconnect();
      theme.removeEventListener("change", recolour);
    };
  }, [steering, finish]);
  // Who steers, how the session stands, what is asked for: any of it may set things going.
  useEffect(() => wake.current());

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /INPUT|SELECT|TEXTAREA/.test(event.target.tagName);
      if (typing || !event.key.startsWith("Arrow")) return;
      if (steering.control === "keys") event.preventDefault();
      steering.key(event.key, event.type === "keydown");
      wake.current();
    };
    const onClick = (event: KeyboardEvent) => {
      if (event.key === " " && event.target === canvas.current) {
        event.preventDefault();
        steering.click();
      }
    };
    window.addEventListener("keydown", onKey);
    window.addEventListener("keyup", onKey);
    window.addEventListener("keydown", onClick);
    return () => {
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("keyup", onKey);
      window.removeEventListener("keydown", onClick);
    };
  }, [steering]);

  const start = () => {
    if (running) return finish();
    steering.centre();
    setTrials([]);
    run.current = new TaskRun(task, byClick, Math.floor(Math.random() * 2 ** 32));
    setRunning(true);
    canvas.current?.focus();
  };

  /** Have the service guide: it asks for the targets and sees when they are reached. */
  const guided = async () => {
    if (session === null) return;
    const [plan, scale] = [planOf(seconds), new Scale(handle.hello?.config ?? null)];
    const guiding = new Guide(plan, scale);
    guide.current = guiding;
    steering.follows = (position) => scale.point(position);
    setControl("session");
    setCalibration(null);
    setCalibrating(true);
    const ticking = setInterval(() => setHelp(guiding.help), HELP_EVERY_MS);
    setHelp(guiding.help);
    try {
      const body = { name: MODEL, source: "guided", guided: { cursor: plan }, swap: true } as unknown as CalibrationBody;
      const ended = await calibrate(session, body, (view) => {
        if (view.state !== "guiding") guiding.target = null;
        setCalibration(view);
      });
      if (ended.state === "done") tell("good", `${session} decodes by ${modelName(ended)} now.`);
    } catch (error) {
      tell("bad", `The calibration failed: ${sentence(error)}`);
    } finally {
      clearInterval(ticking);
      guide.current = null;
      steering.follows = null;
      setCalibrating(false);
    }
  };
  const cancel = () => {
    if (!calibration) return;
    call("delete", "/v1/sessions/{id}/calibrations/{cid}", { path: { id: calibration.session, cid: calibration.id } }).catch((error: unknown) =>
      tell("bad", sentence(error)),
    );
  };
  const goBack = () => {
    if (session === null) return;
    call("post", "/v1/sessions/{id}/model/rollback", { path: { id: session } })
      .then((use) => tell("good", `${session} decodes by ${use.model ?? use.decoder} again.`))
      .catch((error: unknown) => tell("bad", sentence(error)));
  };

  const simulate = async () => {
    setStarting(true);
    try {
      const person = await call("post", "/v1/simulations", { body: { kind: "cursor" } });
      const config = { stream: { type: "Features", source_id: person.source_id }, decoder: person.decoder } as unknown as Body;
      const made = await call("post", "/v1/sessions", { body: config });
      setSimulation(person.id);
      setSession(made.id);
      setControl("session");
      tell("good", `${person.about}: ${person.id}`);
    } catch (error) {
      tell("bad", sentence(error));
    } finally {
      setStarting(false);
    }
  };

  const pointer = (event: PointerEvent) => {
    const element = canvas.current!;
    const box = element.getBoundingClientRect();
    const perCm = fit(element) / (window.devicePixelRatio || 1);
    wake.current();
    steering.point([(event.clientX - box.left) / perCm - WORKSPACE_CM, WORKSPACE_CM - (event.clientY - box.top) / perCm]);
  };

  const [link, tone] = describeLink(handle, session);
  const decoder = handle.hello?.config.decoder as { kind: string; model?: string | null } | undefined;
  const usable = control !== "session" || session !== null;
  return (
    <Frame
      page="/cursor"
      session={session}
      link={session === null && control !== "session" ? `steered by the ${control === "mouse" ? "mouse" : "arrow keys"}` : link}
      linkTone={session === null && control !== "session" ? "good" : tone}
      recording={handle.hello?.config.outputs?.some(({ kind }) => kind === "record") && state === "running" ? session : null}
      held={handle.held}
      onStop={handle.stop}
      onRelease={handle.release}
    >
      <h1 class="visually-hidden">Cursor</h1>
      <div class="cursor-page">
        <div class="stage">
          <canvas
            ref={canvas}
            tabIndex={0}
            role="application"
            aria-label="The task: bring the cursor to the target. Arrow keys steer when they are chosen; space clicks."
            onPointerMove={pointer}
            onPointerDown={(event) => {
              pointer(event);
              steering.click();
            }}
          />
          <p class={`halted ${halted ? "bad" : "soft"}`} role="status" aria-live="polite">
            {halted ? `The cursor stands still: ${halted}` : running ? `Trial ${trials.length + 1} of ${wanted}` : calibrating ? "Calibrating: bring the cursor to each target" : "Ready"}
          </p>
        </div>
        <div class="side">
          <section class="card" aria-labelledby="steer-title">
            <h2 id="steer-title">Who steers</h2>
            <div class="row">
              <select aria-label="Control" value={control} disabled={calibrating} onChange={(event) => setControl(event.currentTarget.value as Control)}>
                <option value="mouse">Mouse (control condition)</option>
                <option value="keys">Arrow keys</option>
                <option value="session">The session's intents</option>
              </select>
              <button onClick={() => void simulate()} disabled={starting || calibrating}>
                {starting ? "Starting…" : "Simulated participant"}
              </button>
            </div>
            {control === "session" && (
              <p class="soft">
                {session === null ? "Choose a session in the console, or try the simulated participant." : `Session ${session}`}
                {simulation && ", steered by a simulated person who sees this screen"}
              </p>
            )}
            <label class="soft">
              Assist
              <input type="range" min="0" max="100" step="5" value={assist * 100} onInput={(event) => setAssist(Number(event.currentTarget.value) / 100)} />
              {Math.round(assist * 100)} %
            </label>
          </section>
          {control === "session" && session !== null && decoder && (
            <Calibrate
              seconds={seconds}
              onSeconds={setSeconds}
              view={calibration}
              going={calibrating}
              help={help}
              decodes={decoder.model ?? decoder.kind}
              earlier={running ? null : earlier}
              ready={state === "running" && !running}
              onStart={() => void guided()}
              onCancel={cancel}
              onBack={goBack}
            />
          )}
          <section class="card" aria-labelledby="task-title">
            <h2 id="task-title">Task</h2>
            <div class="row">
              <select aria-label="Task" value={task} disabled={running} onChange={(event) => setTask(event.currentTarget.value as TaskName)}>
                {Object.entries(TASKS).map(([name, { title }]) => (
                  <option key={name} value={name}>
                    {title}
                  </option>
                ))}
              </select>
              <label>
                Trials
                <NumberInput min={1} max={400} value={wanted} disabled={running} onValue={setWanted} />
              </label>
              <label>
                Select by
                <select value={byClick ? "click" : "hold"} disabled={running} onChange={(event) => setByClick(event.currentTarget.value === "click")}>
                  <option value="hold">staying</option>
                  <option value="click">clicking</option>
                </select>
              </label>
              <button class="main" onClick={start} disabled={calibrating || (!running && !usable)}>
                {running ? "End" : "Start"}
              </button>
            </div>
          </section>
          <Results
            trials={trials}
            task={task}
            over={!running && trials.length > 0}
            onSave={() => saveText(`cursor-${task}-${control}.csv`, "text/csv", csvOf(trials, task, control))}
          />
        </div>
      </div>
    </Frame>
  );
}

/** What a guide asks for, as it is drawn. */
function askedBy(guide: Guide | null, cursor: Point): Asked | null {
  if (!guide?.target) return null;
  return { task: guide.task, target: guide.target, inside: guide.isInside(cursor), held: guide.held };
}

render(<Cursor />, document.getElementById("app")!);
