// A calibration of the session: on the signal that was marked so far, or guided by the service, whose
// cues are shown here. What came of it is drawn by `Scores`.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sentence } from "../api";
import { calibrate, follow, modelName, passedOn, type CalibrationBody } from "../calibration";
import type { ServiceClock } from "../clock";
import { decoderOf, useKinds } from "../kinds";
import { tell } from "../notices";
import { NumberInput } from "../NumberInput";
import type { CalibrationView, Cue, KindList, KindView, SessionView } from "../wire";
import { CalibrationOutcome } from "./CalibrationOutcome";
import { Cueing } from "./Cueing";
import "./calibrating.css";

const ONSETS = ["trial_start"];

type Source = "session" | "guided";
export interface Plan {
  name: string;
  source: Source;
  /** Null: what decodes now. */
  kind: string | null;
  windowS: number;
  blocks: number;
  restTrials: number;
  cueS: number;
  trialS: number;
  swap: boolean;
}

const USUAL: Plan = { name: "calibrated", source: "session", kind: null, windowS: 1, blocks: 4, restTrials: 0, cueS: 0.6, trialS: 2, swap: false };

function bodyOf(plan: Plan, decoder: Record<string, unknown>, installed: KindList): CalibrationBody {
  const chosen = plan.kind && {
    ...passedOn(decoder, plan.kind, installed),
    kind: plan.kind,
    window_s: plan.windowS,
    trigger: "markers",
    onset_markers: Array.isArray(decoder["onset_markers"]) && decoder["onset_markers"].length ? decoder["onset_markers"] : ONSETS,
  };
  return {
    name: plan.name,
    source: plan.source,
    swap: plan.swap,
    ...(chosen && { decoder: chosen }),
    ...(plan.source === "guided" && {
      guided: { blocks: plan.blocks, rest_trials: plan.restTrials, cue_s: plan.cueS, trial_s: plan.trialS },
    }),
  } as unknown as CalibrationBody;
}

export interface CalibrationProps {
  session: string;
  view: SessionView | null;
  cue: Cue | null;
  clock: ServiceClock | null;
  live: boolean;
  /** What the page begins with, where that is not the usual. */
  usual?: Partial<Plan>;
  /** Whether one is being made. */
  onGoing: (going: boolean) => void;
  /** A calibration ended: there may be another model. */
  onEnded: () => void;
}

export function Calibration({ session, view, cue, clock, live, usual, onGoing, onEnded }: CalibrationProps) {
  const [plan, setPlan] = useState({ ...USUAL, ...usual });
  const [made, setMade] = useState<CalibrationView | null>(null);
  const [beginning, setBeginning] = useState(false);
  const left = useRef(new AbortController());
  const decoder = (view?.config.decoder ?? {}) as unknown as Record<string, unknown>;
  const installed = useKinds();
  const decodes = decoderOf(installed, decoder["kind"]);
  const trials = decodes?.trials ?? null;
  const asksChoices = trials === "targets" || trials === "classes";
  // Another kind may be fitted where it takes over the targets; the classes of one are nobody else's.
  const taken = (kind: KindView | undefined) => trials === "targets" && kind?.passed_on.includes("targets") === true;
  const fitted = installed.kinds.filter((each) => each.calibrated && taken(each) && taken(decodes));
  const set = (part: Partial<Plan>) => setPlan((now) => ({ ...now, ...part }));

  const went = (now: CalibrationView) => {
    if (!left.current.signal.aborted) setMade(now);
  };
  // One that is being made already, by this page before it was loaded anew or by somebody else.
  useEffect(() => {
    const { signal } = (left.current = new AbortController());
    call("get", "/v1/sessions/{id}/calibrations", { path: { id: session } })
      .then(async ({ calibrations: [newest] }) => {
        if (!newest) return;
        went(newest);
        went(await follow(session, newest, went, signal));
        if (!signal.aborted) onEnded();
      })
      .catch(() => undefined); // the session is not there; the page's head says so
    return () => left.current.abort();
  }, [session]);

  const begin = async () => {
    setBeginning(true);
    setMade(null);
    const { signal } = left.current;
    try {
      const ended = await calibrate(session, bodyOf(plan, decoder, installed), went, signal);
      if (signal.aborted) return;
      if (ended.state === "done") tell("good", `Made ${modelName(ended)}.`);
      onEnded();
    } catch (error) {
      tell("bad", `No calibration was begun: ${sentence(error)}`);
    } finally {
      setBeginning(false);
    }
  };
  const cancel = () => {
    if (made === null) return;
    call("delete", "/v1/sessions/{id}/calibrations/{cid}", { path: { id: session, cid: made.id } }).catch((error: unknown) =>
      tell("bad", sentence(error)),
    );
  };
  const going = beginning || (made !== null && !made.ended_utc);
  useEffect(() => {
    onGoing(going);
    return () => onGoing(false);
  }, [going]);

  return (
    <section class="card calibration" aria-labelledby="calibration-title">
      <h2 id="calibration-title">Calibration</h2>
      <div class="row">
        <label>
          Learn from
          <select value={plan.source} disabled={going} onChange={(event) => set({ source: event.currentTarget.value as Source })}>
            <option value="session">the marked signal so far</option>
            <option value="guided" disabled={!asksChoices}>
              trials, guided
            </option>
          </select>
        </label>
        <label>
          Fit
          <select
            value={plan.kind ?? ""}
            disabled={going}
            onChange={(event) => set({ kind: event.currentTarget.value || null })}
          >
            <option value="">what decodes now ({view?.config.decoder.kind ?? "–"})</option>
            {fitted.map(({ kind }) => (
              <option key={kind} value={kind}>
                {kind}
              </option>
            ))}
          </select>
        </label>
        <label>
          Model's name
          <input size={12} maxLength={64} value={plan.name} disabled={going} onInput={(event) => set({ name: event.currentTarget.value.trim() })} />
        </label>
        {plan.kind && (
          <label>
            Window, s
            <NumberInput min={0.25} max={10} step={0.05} value={plan.windowS} disabled={going} onValue={(windowS) => set({ windowS })} />
          </label>
        )}
        {plan.source === "guided" && (
          <>
            <label>
              Blocks
              <NumberInput min={1} max={50} value={plan.blocks} disabled={going} onValue={(blocks) => set({ blocks })} />
            </label>
            <label>
              At rest, a block
              <NumberInput min={0} max={20} value={plan.restTrials} disabled={going} onValue={(restTrials) => set({ restTrials })} />
            </label>
            <label>
              Cue, s
              <NumberInput min={0} max={30} step={0.1} value={plan.cueS} disabled={going} onValue={(cueS) => set({ cueS })} />
            </label>
            <label>
              Trial, s
              <NumberInput min={0.2} max={60} step={0.1} value={plan.trialS} disabled={going} onValue={(trialS) => set({ trialS })} />
            </label>
          </>
        )}
        <label class="grow">
          <input type="checkbox" checked={plan.swap} disabled={going} onChange={(event) => set({ swap: event.currentTarget.checked })} />
          Decode by it at once
        </label>
        {going ? (
          <button onClick={cancel} disabled={made === null}>
            Cancel calibration
          </button>
        ) : (
          <button class="main" onClick={() => void begin()} disabled={!live || view === null || !plan.name}>
            Calibrate
          </button>
        )}
      </div>
      {plan.source === "guided" && !going && (
        <p class="soft">
          Each {trials === "targets" ? "target" : "class"} comes once a block. This page says what to do and when, and the service marks the onsets
          {trials === "targets" && (
            <>
              ; whatever shows the targets shows them. The <a href={`./speller#${encodeURIComponent(session)}`}>speller</a> shows flickers of its own and
              calibrates on them
            </>
          )}
          .
        </p>
      )}
      {going && made !== null && (
        <div data-calibration={made.state}>
          <div class="row">
            <span>{made.step}</span>
            <progress class="grow" aria-label="Calibration" max={1} value={made.progress} />
          </div>
          {made.state === "guiding" && cue !== null && cue.calibration === made.id && <Cueing cue={cue} clock={clock} looks={trials !== "classes"} />}
        </div>
      )}
      {made !== null && !going && <CalibrationOutcome made={made} />}
    </section>
  );
}
