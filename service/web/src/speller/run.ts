// Trials of a speller: cue, shift of the gaze, flicker, pause, one after the other, driven by the
// display's frames and knowing nothing of how they are drawn. `SpellingRun` spells by what is decoded;
// `CalibrationRun` asks for each target in turn and lets each flicker last as long.
import type { Intent } from "../shared/wire";
import { targetFor, written, type Layout } from "./layout";
import type { Showing } from "./stimulus";

export type Mode = "copy" | "free";
export type Phase = "cue" | "gaze" | "flicker" | "feedback";

const CUE_MS = 500;
const GAZE_MS = 500;
const FEEDBACK_MS = 500;
const PAUSE_MS = 250;
/** A frame that is due at the onset may come this much sooner. */
const EARLY_MS = 4;
/** The onset is fixed this long before it comes, so that a simulated person hears of it in time. */
const AHEAD_MS = 250;
/** A decision may come this long after its window: stream, decoder and socket take their time. */
const PATIENCE_S = 1.5;
/** An intent belongs to a trial when its trigger is within this of the onset. */
const NEAR_S = 0.02;
/** A calibration's flicker lasts this much longer than its window, so that its last frame never cuts it. */
const SPARE_S = 0.05;

export interface Choice {
  /** What was to be looked at, where that is known. */
  wanted: string | null;
  chosen: string | null;
  /** Why nothing was selected; empty for a selection. */
  idle: string;
  confidence: number;
  flickerS: number;
}

export interface Hooks {
  /** The onset is fixed: `performance.now()` of it, and what will be shown from then on. */
  onset(onsetMs: number, wanted: number | null, showing: Showing): void;
  /** A frame began what is to be marked: the marker's name, and `performance.now()` of the frame. */
  mark(name: string, frameMs: number): void;
  /** The flicker is over. */
  offset(): void;
  choice(choice: Choice): void;
  over(): void;
}

/** What a policy of selections holds back: the run's own trials say when an answer counts. */
const HELD_BACK = new Set(["undecided", "repeated", "unconfirmed"]);

/** The target that a decoder answers a window with, whether or not the session makes it a selection. */
export function answered(intent: Intent): string | null {
  if (intent.kind === "selection") return intent.label;
  if (intent.kind !== "idle" || !HELD_BACK.has(intent.reason)) return null;
  const scores = Object.entries((intent.evidence ?? {}) as Record<string, number | null>);
  const best = scores.reduce<[string, number] | null>((most, [label, score]) => (most === null || (score ?? -Infinity) > most[1] ? [label, score ?? -Infinity] : most), null);
  return best === null ? null : best[0];
}

function sureness(intent: Intent): number {
  return intent.kind === "selection" || intent.kind === "idle" ? (intent.confidence ?? 0) : 0;
}

export abstract class Trials {
  phase: Phase = "cue";
  onsetMs: number | null = null;
  wanted: number | null = null;
  chosen: number | null = null;
  /** Luminance of each target in this frame; null while nothing flickers. */
  values: number[] | null = null;
  private showing: Showing | null = null;
  protected onsetLsl: number | null = null;
  private sinceMs: number | null = null;

  constructor(
    protected readonly layout: Layout,
    protected readonly lslAt: (atMs: number) => number | null,
    protected readonly hooks: Hooks,
    private readonly pauseMs: number,
  ) {}

  /** Let the display's next frame come; frames are `frameMs` apart (0: not known). */
  frame(timeMs: number, frameMs: number): void {
    this.values = null;
    this.advance(timeMs, frameMs);
    if (this.phase !== "flicker" || !this.showing || this.onsetMs === null || timeMs < this.onsetMs - EARLY_MS) return;
    this.values = this.showing.frame((timeMs - this.onsetMs) / 1000);
    for (const name of this.showing.begun()) this.hooks.mark(name, timeMs);
  }

  private advance(timeMs: number, frameMs: number): void {
    this.sinceMs ??= timeMs;
    const passed = timeMs - this.sinceMs;
    if (this.phase === "cue" && passed >= CUE_MS) this.enter("gaze", timeMs);
    else if (this.phase === "gaze") {
      if (this.onsetMs === null && passed >= GAZE_MS - AHEAD_MS) {
        const aheadMs = Math.max(GAZE_MS - passed, AHEAD_MS);
        // At a frame of the display, so that steps of a code and frames go together.
        this.onsetMs = timeMs + (frameMs > 0 ? frameMs * Math.ceil(aheadMs / frameMs) : aheadMs);
        this.onsetLsl = this.lslAt(this.onsetMs);
        this.showing = this.layout.stimulus.begin();
        this.hooks.onset(this.onsetMs, this.wanted, this.showing);
      }
      if (this.onsetMs !== null && timeMs >= this.onsetMs - EARLY_MS) this.enter("flicker", this.onsetMs);
    } else if (this.phase === "flicker") this.flickers(passed / 1000, timeMs);
    else if (this.phase === "feedback" && passed >= this.pauseMs) this.begin(timeMs);
  }

  /** The flicker has lasted for `passedS`. */
  protected abstract flickers(passedS: number, timeMs: number): void;

  /** Whether there is nothing more to ask for. */
  protected abstract done(): boolean;

  /** What is to be looked at next. */
  protected abstract next(): number | null;

  protected stopFlicker(timeMs: number): void {
    this.hooks.offset();
    this.enter("feedback", timeMs);
    this.onsetMs = null;
    this.showing = null;
  }

  private begin(timeMs: number): void {
    this.chosen = null;
    this.onsetLsl = null;
    if (this.done()) {
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
}

export class SpellingRun extends Trials {
  text = "";
  readonly choices: Choice[] = [];

  constructor(
    layout: Layout,
    readonly mode: Mode,
    readonly phrase: string,
    lslAt: (atMs: number) => number | null,
    hooks: Hooks,
  ) {
    super(layout, lslAt, hooks, FEEDBACK_MS);
    this.wanted = this.next();
  }

  /** Take an intent; what is not of this trial, or no longer counts, is passed over. */
  take(intent: Intent, nowMs: number): void {
    if (this.phase !== "flicker" || this.onsetLsl === null) return;
    const now = this.lslAt(nowMs);
    // A stream may stamp its samples ahead of time: what the service decided when counts too.
    if (now === null || now >= Math.min(intent.t_sample, intent.t_decoded ?? intent.t_sample) + intent.expires_s) return;
    const trigger = intent.t_trigger ?? null;
    const mine = trigger !== null ? Math.abs(trigger - this.onsetLsl) < NEAR_S : this.layout.onsetMarker === null && intent.t_sample >= this.onsetLsl + this.layout.longestS;
    if (!mine) return;
    const label = answered(intent);
    if (label !== null) this.decide(label, "", sureness(intent), nowMs);
    else if (intent.kind === "idle" && trigger !== null) this.decide(null, intent.reason, intent.confidence ?? 0, nowMs);
  }

  protected flickers(passedS: number, timeMs: number): void {
    if (passedS >= this.layout.longestS + PATIENCE_S) this.decide(null, "no_answer", 0, timeMs);
  }

  private decide(label: string | null, idle: string, confidence: number, timeMs: number): void {
    const index = label === null ? -1 : this.layout.labels.indexOf(label);
    this.chosen = index < 0 ? null : index;
    const choice: Choice = {
      wanted: this.wanted === null ? null : this.layout.labels[this.wanted]!,
      chosen: this.chosen === null ? null : label,
      idle: this.chosen === null ? idle || "unknown_target" : "",
      confidence,
      flickerS: (timeMs - this.onsetMs!) / 1000,
    };
    this.choices.push(choice);
    if (choice.chosen !== null) this.write(choice.chosen);
    this.stopFlicker(timeMs);
    this.hooks.choice(choice);
  }

  private write(label: string): void {
    const character = written(label);
    this.text = character === null ? this.text.slice(0, -1) : this.text + character;
  }

  protected done(): boolean {
    return this.mode === "copy" ? this.copied >= this.phrase.length : this.phrase !== "" && this.text === this.phrase;
  }

  /** The next character; the same again when nothing was selected; in free spelling, what leads to the phrase. */
  protected next(): number | null {
    if (this.mode === "free" && !this.phrase) return null;
    const character = this.mode === "copy" ? (this.phrase[this.copied] ?? "") : this.phrase.startsWith(this.text) ? (this.phrase[this.text.length] ?? "") : null;
    const index = targetFor(this.layout.labels, character);
    return index < 0 ? null : index;
  }

  private get copied(): number {
    return this.choices.filter((choice) => choice.chosen !== null).length;
  }
}

/** Asks for one target after the other; decisions do not count. */
export class CalibrationRun extends Trials {
  number = 0;

  constructor(
    layout: Layout,
    /** What is asked for, trial by trial. */
    private readonly order: number[],
    /** Signal of each trial that the model learns from; it begins one latency of vision after the onset. */
    private readonly windowS: number,
    lslAt: (atMs: number) => number | null,
    hooks: Hooks,
  ) {
    super(layout, lslAt, hooks, PAUSE_MS);
    this.wanted = this.next();
  }

  get total(): number {
    return this.order.length;
  }

  protected flickers(passedS: number, timeMs: number): void {
    if (passedS >= this.layout.delayS + this.windowS + SPARE_S) this.stopFlicker(timeMs);
  }

  protected done(): boolean {
    return this.number >= this.total;
  }

  protected next(): number {
    return this.order[this.number++]!;
  }
}

/** Seconds that a calibration takes on the screen. */
export function lengthS(nTrials: number, windowS: number, delayS: number): number {
  return nTrials * ((CUE_MS + GAZE_MS + PAUSE_MS) / 1000 + delayS + windowS + SPARE_S);
}

export interface Score {
  /** Share of the selections that were wanted, where it is known what was. */
  accuracy: number | null;
  /** Selections a minute; trials in which nothing was selected take their time too. */
  perMinute: number | null;
  itr: number | null;
  nothing: number;
}

/** Accuracy, characters a minute and bits a minute (Wolpaw's), the shift of the gaze included. */
export function scoreOf(choices: Choice[], nTargets: number): Score {
  const selected = choices.filter((choice) => choice.chosen !== null);
  const nothing = choices.length - selected.length;
  if (!selected.length) return { accuracy: null, perMinute: null, itr: null, nothing };
  const totalS = choices.reduce((sum, choice) => sum + choice.flickerS + GAZE_MS / 1000, 0);
  const perMinute = (60 * selected.length) / totalS;
  const judged = selected.filter((choice) => choice.wanted !== null);
  if (!judged.length) return { accuracy: null, perMinute, itr: null, nothing };
  const p = judged.filter((choice) => choice.chosen === choice.wanted).length / judged.length;
  const n = nTargets;
  let bits = 0;
  if (p > 1 / n) {
    bits = Math.log2(n) + p * Math.log2(p);
    if (p < 1) bits += (1 - p) * Math.log2((1 - p) / (n - 1));
  }
  return { accuracy: p, perMinute, itr: bits * perMinute, nothing };
}
