// What a calibration is to be, how it goes, and what came of it.
import { modelName, passedOn, scoreOfModel } from "../shared/calibration";
import { NumberInput } from "../shared/NumberInput";
import type { CalibrationView, Hello, KindList, KindView } from "../shared/wire";
import { percent, whyNotMade } from "../shared/words";
import { Codes, shuffled } from "./codes";
import type { Layout } from "./layout";
import { lengthS } from "./run";

export interface Plan {
  kind: string;
  /** How often each target is asked for; of codes how often any is: they know those that never were. */
  blocks: number;
  windowS: number;
  /** Decide as soon as it is sure. */
  stops: boolean;
}

/** What is usual for a screen. */
export function usualPlan(layout: Layout | null): Plan {
  const codes = layout?.stimulus;
  if (!(codes instanceof Codes)) return { kind: "etrca", blocks: 5, windowS: 1, stops: true };
  return codes.rare ? { kind: "erp", blocks: 6, windowS: 8, stops: true } : { kind: "reconvolution", blocks: 8, windowS: 4.2, stops: true };
}

/** Settings that a calibration of what flickers sets. */
const SET = ["targets", "window_s", "delay_s", "trigger", "onset_markers", "stopping"];

/** Decoders that a calibration of these targets may fit: of those that are installed. */
export function kindsFor(layout: Layout, { kinds }: KindList): string[] {
  const needed = layout.stimulus instanceof Codes ? ["book"] : SET;
  const knows = ({ settings_schema }: KindView) => needed.every((key) => key in ((settings_schema?.["properties"] ?? {}) as object));
  return kinds.filter((each) => each.family === "decoders" && each.calibrated && each.trials === "targets" && knows(each)).map(({ kind }) => kind);
}

/** What is asked for, trial by trial. */
export function askedFor(plan: Plan, layout: Layout): number[] {
  const n = layout.labels.length;
  const inBlocks = (blocks: number) => Array.from({ length: blocks }, () => shuffled(n)).flat();
  return layout.stimulus instanceof Codes ? inBlocks(Math.ceil(plan.blocks / n)).slice(0, plan.blocks) : inBlocks(plan.blocks);
}

/** Decides when its confidence is this, from the first look on, and says nothing where it never is. */
const STOPPING = { rule: "confidence", threshold: 0.9, min_s: 0.3, step_s: 0.1, otherwise: "idle" };
/** The same where items flash; the calibration of those that flash says how sure it is. */
const STOPPING_OF_CODES = { rule: "posterior", threshold: 0.95 };
const SOONEST_OF_CODES_S = 0.5;
const ONSET = "trial_start";

/** What goes on, or came of it. */
export type Progress = { asking: number; of: number } | CalibrationView | null;

/** The decoder to calibrate: of the kind that was chosen, for the targets and bands of the one that runs. */
export function decoderFor(plan: Plan, layout: Layout, config: Hello["config"], installed: KindList): Record<string, unknown> {
  const running = config.decoder as unknown as Record<string, unknown>;
  const passed = passedOn(running, plan.kind, installed);
  if (layout.stimulus instanceof Codes) {
    return { ...passed, kind: plan.kind, min_s: SOONEST_OF_CODES_S, stopping: plan.stops ? STOPPING_OF_CODES : null };
  }
  return {
    ...passed,
    kind: plan.kind,
    window_s: plan.windowS,
    delay_s: layout.delayS,
    trigger: "markers",
    onset_markers: [onsetOf(layout)],
    stopping: plan.stops && plan.windowS > STOPPING.min_s ? STOPPING : null,
  };
}

export const onsetOf = (layout: Layout) => layout.onsetMarker ?? ONSET;

/** Why a plan cannot be followed; empty when it can. */
export function whyNotPlan(plan: Plan, layout: Layout, config: Hello["config"]): string {
  const [takes, kept] = [secondsOf(plan, layout), config.history_s];
  return takes <= kept ? "" : `it takes ${takes} s, and the session keeps ${kept} s of its signal: choose fewer blocks or a shorter window`;
}

const secondsOf = (plan: Plan, layout: Layout) => Math.ceil(lengthS(askedFor(plan, layout).length, plan.windowS, layout.delayS));

export interface PlanInputsProps {
  plan: Plan;
  layout: Layout;
  installed: KindList;
  disabled: boolean;
  onPlan: (changed: Partial<Plan>) => void;
}

export function PlanInputs({ plan, layout, installed, disabled, onPlan: set }: PlanInputsProps) {
  const n = layout.labels.length;
  const codes = layout.stimulus instanceof Codes;
  return (
    <>
      <select aria-label="Decoder to calibrate" value={plan.kind} disabled={disabled} onChange={(event) => set({ kind: event.currentTarget.value })}>
        {kindsFor(layout, installed).map((kind) => (
          <option key={kind} value={kind}>
            {kind}
          </option>
        ))}
      </select>
      <label>
        {codes ? "Trials" : "Blocks"}
        <NumberInput min={2} max={codes ? 100 : 20} value={plan.blocks} disabled={disabled} onValue={(blocks) => set({ blocks })} />
      </label>
      <label>
        {codes ? "Trial, s" : "Window, s"}
        <NumberInput min={0.3} max={codes ? 60 : 10} step={0.05} value={plan.windowS} disabled={disabled} onValue={(windowS) => set({ windowS })} />
      </label>
      <label>
        <input type="checkbox" checked={plan.stops} disabled={disabled} onChange={(event) => set({ stops: event.currentTarget.checked })} />
        decide as soon as sure
      </label>
      <span class="soft grow">
        {codes ? `${plan.blocks} of ${n} targets` : `${n} targets × ${plan.blocks}`}: about {secondsOf(plan, layout)} s
      </span>
    </>
  );
}

export function Outcome({ progress }: { progress: Progress }) {
  if (progress === null) return null;
  if ("asking" in progress) {
    return (
      <div class="row figures" data-asking={progress.asking}>
        <span>
          Look at the marked target: trial <b class="number">{progress.asking}</b> of {progress.of}
        </span>
        <progress aria-label="Trials" class="grow" max={progress.of} value={progress.asking - 1} />
      </div>
    );
  }
  const { state } = progress;
  if (state === "refused" || state === "cancelled") {
    return (
      <p class="bad" data-calibration={state}>
        {whyNotMade(progress)}
      </p>
    );
  }
  if (state !== "done") {
    return (
      <div class="row figures" data-calibration={state}>
        <span>{progress.step}</span>
        <progress aria-label="Fit" class="grow" max={1} value={progress.progress} />
      </div>
    );
  }
  const [accuracy, itr, windowS, area] = ["accuracy", "itr_bits_per_min", "suggested_window_s", "auc"].map((name) => scoreOfModel(progress, name));
  const interval = (progress.model?.scores as { interval?: [number, number] } | undefined)?.interval;
  return (
    <div class="row figures" data-calibration="done" data-calibrated-accuracy={accuracy ?? area ?? ""}>
      <span>
        Made <b>{modelName(progress)}</b>
      </span>
      {accuracy != null && (
        <span>
          Accuracy, each trial or block left out{" "}
          <b class="number">
            {percent(accuracy)}
            {interval && ` (${percent(interval[0])} to ${percent(interval[1])})`}
          </b>
        </span>
      )}
      {area != null && (
        <span>
          Area under the curve of single flashes <b class="number">{area.toFixed(2)}</b>
        </span>
      )}
      {itr != null && (
        <span>
          Bits a minute <b class="number">{itr.toFixed(1)}</b>
        </span>
      )}
      {windowS != null && (
        <span>
          Window <b class="number">{windowS} s</b>
        </span>
      )}
    </div>
  );
}
