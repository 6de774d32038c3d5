// One go at spelling: cue, shift of the gaze, flicker, feedback, one character after the other. It is
// driven by the display's frames and knows nothing of how they are drawn.
import type { Intent } from "../shared/wire";
import { BACKSPACE, keyOf, written, type Layout } from "./layout";

export type Mode = "copy" | "free";
export type Phase = "cue" | "gaze" | "flicker" | "feedback";

const CUE_MS = 500;
const GAZE_MS = 500;
const FEEDBACK_MS = 500;
/** The onset is fixed so long before it comes, so that whoever simulates a person hears of it. */
const AHEAD_MS = 250;
/** A decision may take so much longer than its window: the stream's way, the decoder's, the socket's. */
const PATIENCE_S = 1.5;
/** An intent belongs to a trial when its trigger is within this of the onset. */
const NEAR_S = 0.02;

export interface Choice {
  /** What was to be looked at, where that is known. */
  wanted: string | null;
  chosen: string | null;
  confidence: number;
  flickerS: number;
}

export interface Hooks {
  /** The onset is fixed: `performance.now()` of it. */
  onset(onsetMs: number, wanted: number | null): void;
  /** The flicker is over. */
  offset(): void;
  choice(choice: Choice): void;
  over(): void;
}

export class Run {
  phase: Phase = "cue";
  onsetMs: number | null = null;
  wanted: number | null = null;
  chosen: number | null = null;
  text = "";
  readonly choices: Choice[] = [];
  private sinceMs: number | null = null;
  private onsetLsl: number | null = null;

  constructor(
    private readonly layout: Layout,
    readonly mode: Mode,
    readonly phrase: string,
    private readonly lslAt: (atMs: number) => number | null,
    private readonly hooks: Hooks,
  ) {
    this.wanted = this.next();
  }

  /** Let the display's next frame come. */
  frame(timeMs: number): void {
    this.sinceMs ??= timeMs;
    const passed = timeMs - this.sinceMs;
    if (this.phase === "cue" && passed >= CUE_MS) this.enter("gaze", timeMs);
    else if (this.phase === "gaze") {
      if (this.onsetMs === null && passed >= GAZE_MS - AHEAD_MS) {
        this.onsetMs = this.sinceMs + Math.max(GAZE_MS, passed + AHEAD_MS);
        this.onsetLsl = this.lslAt(this.onsetMs);
        this.hooks.onset(this.onsetMs, this.wanted);
      }
      if (this.onsetMs !== null && timeMs >= this.onsetMs) this.enter("flicker", this.onsetMs);
    } else if (this.phase === "flicker" && passed >= (this.layout.windowS + PATIENCE_S) * 1000) this.decide(null, 0, timeMs);
    else if (this.phase === "feedback" && passed >= FEEDBACK_MS) this.begin(timeMs);
  }

  /** Take an intent; what is not of this trial, or no longer counts, is passed over. */
  take(intent: Intent, nowMs: number): void {
    if (this.phase !== "flicker" || this.onsetLsl === null) return;
    const now = this.lslAt(nowMs);
    if (now === null || now >= intent.t_sample + intent.expires_s) return;
    const trigger = intent.t_trigger ?? null;
    const mine = trigger !== null ? Math.abs(trigger - this.onsetLsl) < NEAR_S : this.layout.onsetMarker === null && intent.t_sample >= this.onsetLsl + this.layout.windowS;
    if (!mine) return;
    if (intent.kind === "selection") this.decide(intent.label, intent.confidence ?? 0, nowMs);
    else if (intent.kind === "idle" && trigger !== null) this.decide(null, intent.confidence ?? 0, nowMs);
  }

  private decide(label: string | null, confidence: number, timeMs: number): void {
    const index = label === null ? -1 : this.layout.targets.findIndex((target) => target.label === label);
    this.chosen = index < 0 ? null : index;
    const choice: Choice = {
      wanted: this.wanted === null ? null : this.layout.targets[this.wanted]!.label,
      chosen: this.chosen === null ? null : label,
      confidence,
      flickerS: (timeMs - this.onsetMs!) / 1000,
    };
    this.choices.push(choice);
    if (choice.chosen !== null) this.write(choice.chosen);
    this.hooks.offset();
    this.enter("feedback", timeMs);
    this.onsetMs = null;
    this.hooks.choice(choice);
  }

  private write(label: string): void {
    const character = written(label);
    this.text = character === null ? this.text.slice(0, -1) : this.text + character;
  }

  private begin(timeMs: number): void {
    this.chosen = null;
    this.onsetLsl = null;
    const done = this.mode === "copy" ? this.choices.length >= this.phrase.length : this.phrase !== "" && this.text === this.phrase;
    if (done) {
      this.hooks.over();
      return;
    }
    this.wanted = this.next();
    this.enter("cue", timeMs);
  }

  private enter(phase: Phase, timeMs: number): void {
    this.phase = phase;
    this.sinceMs = timeMs;
  }

  /** What is to be looked at: the next character; in free spelling, what leads to the phrase. */
  private next(): number | null {
    let label: string | null = null;
    if (this.mode === "copy") label = keyOf(this.phrase[this.choices.length] ?? "");
    else if (this.phrase) label = this.phrase.startsWith(this.text) ? keyOf(this.phrase[this.text.length] ?? "") : BACKSPACE;
    const index = this.layout.targets.findIndex((target) => target.label === label);
    return index < 0 ? null : index;
  }
}

export interface Score {
  accuracy: number | null;
  perMinute: number | null;
  itr: number | null;
}

/** Accuracy, characters a minute and bits a minute (Wolpaw's), the shift of the gaze included. */
export function scoreOf(choices: Choice[], nTargets: number): Score {
  const judged = choices.filter((choice) => choice.wanted !== null);
  if (!choices.length) return { accuracy: null, perMinute: null, itr: null };
  const flickerS = choices.reduce((sum, choice) => sum + choice.flickerS, 0) / choices.length;
  const perMinute = 60 / (flickerS + GAZE_MS / 1000);
  if (!judged.length) return { accuracy: null, perMinute, itr: null };
  const p = judged.filter((choice) => choice.chosen === choice.wanted).length / judged.length;
  const n = nTargets;
  let bits = 0;
  if (p > 1 / n) {
    bits = Math.log2(n) + p * Math.log2(p);
    if (p < 1) bits += (1 - p) * Math.log2((1 - p) / (n - 1));
  }
  return { accuracy: p, perMinute, itr: bits * perMinute };
}
