// What a calibration is to be, how it goes, and what came of it.
import { modelName, passedOn, scoreOfModel } from "../shared/calibration";
import { NumberInput } from "../shared/NumberInput";
import type { CalibrationView, Hello, KindList } from "../shared/wire";
import { percent, whyNotMade } from "../shared/words";
import type { Layout } from "./layout";
import { lengthS } from "./run";

/** Decoders whose templates need a flicker that is locked to its onset, as this page's is. */
export const DECODERS = { etrca: "eTRCA", tdca: "TDCA", ecca: "eCCA" } as const;

export interface Plan {
  kind: keyof typeof DECODERS;
  blocks: number;
  windowS: number;
  /** Decide as soon as it is sure. */
  stops: boolean;
}

export const USUAL_PLAN: Plan = { kind: "etrca", blocks: 5, windowS: 1, stops: true };
/** Decides when its confidence is this, from the first look on, and says nothing where it never is. */
const STOPPING = { rule: "confidence", threshold: 0.9, min_s: 0.3, step_s: 0.1, otherwise: "idle" };
const ONSET = "trial_start";

/** What goes on, or came of it. */
export type Progress = { asking: number; of: number } | CalibrationView | null;

/** The decoder to calibrate: of the kind that was chosen, for the targets and bands of the one that runs. */
export function decoderFor(plan: Plan, layout: Layout, config: Hello["config"], installed: KindList): Record<string, unknown> {
  return {
    ...passedOn(config.decoder as unknown as Record<string, unknown>, plan.kind, installed),
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

const secondsOf = (plan: Plan, layout: Layout) => Math.ceil(lengthS(layout.targets.length, plan.blocks, plan.windowS, layout.delayS));

export function PlanInputs({ plan, layout, disabled, onPlan }: { plan: Plan; layout: Layout; disabled: boolean; onPlan: (plan: Plan) => void }) {
  const set = (part: Partial<Plan>) => onPlan({ ...plan, ...part });
  const n = layout.targets.length;
  return (
    <>
      <select aria-label="Decoder to calibrate" value={plan.kind} disabled={disabled} onChange={(event) => set({ kind: event.currentTarget.value as Plan["kind"] })}>
        {Object.entries(DECODERS).map(([kind, name]) => (
          <option key={kind} value={kind}>
            {name}
          </option>
        ))}
      </select>
      <label>
        Blocks
        <NumberInput min={2} max={20} value={plan.blocks} disabled={disabled} onValue={(blocks) => set({ blocks })} />
      </label>
      <label>
        Window, s
        <NumberInput min={0.3} max={10} step={0.05} value={plan.windowS} disabled={disabled} onValue={(windowS) => set({ windowS })} />
      </label>
      <label>
        <input type="checkbox" checked={plan.stops} disabled={disabled} onChange={(event) => set({ stops: event.currentTarget.checked })} />
        decide as soon as sure
      </label>
      <span class="soft grow">
        {n} targets × {plan.blocks}: about {secondsOf(plan, layout)} s
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
  const [accuracy, itr, windowS] = ["accuracy", "itr_bits_per_min", "suggested_window_s"].map((name) => scoreOfModel(progress, name));
  const interval = (progress.model?.scores as { interval?: [number, number] } | undefined)?.interval;
  return (
    <div class="row figures" data-calibration="done" data-calibrated-accuracy={accuracy ?? ""}>
      <span>
        Made <b>{modelName(progress)}</b>
      </span>
      <span>
        Accuracy, each block left out{" "}
        <b class="number">
          {accuracy == null ? "–" : percent(accuracy)}
          {interval && ` (${percent(interval[0])} to ${percent(interval[1])})`}
        </b>
      </span>
      <span>
        Bits a minute <b class="number">{itr?.toFixed(1) ?? "–"}</b>
      </span>
      <span>
        Window <b class="number">{windowS} s</b>
      </span>
    </div>
  );
}
