// The flicker: each target's luminance is (1 + sin(2 pi f t + phase)) / 2, sampled at the moment that
// the display gives each frame, with t counted from the onset. So the frequency is right whatever the
// display's rate, a frame that is late shows what belongs to its moment, and a frame that was dropped
// is counted and shifts nothing. All is one canvas: forty rectangles and their letters.
import { shown, type Layout } from "./layout";

const MEASURED_FRAMES = 300;
const LEAST_MEASURED = 45;
/** Frames a period that a sine needs to be one; below, harmonics and beats take over. */
const LEAST_PER_PERIOD = 2.5;

export interface FrameLog {
  /** Moments of the frames, ms, from the onset. */
  times: number[];
  /** Luminance of each target in each frame. */
  values: number[][];
  dropped: number;
  rateHz: number;
}

/** The display's rate, from the steps between its frames: the fifth of them that are shortest, so that
 *  a page which drops most of its frames does not take the steps that are left for the display's. */
export class DisplayRate {
  private steps: number[] = [];
  private last: number | null = null;

  add(timeMs: number): void {
    if (this.last !== null && timeMs > this.last) {
      this.steps.push(timeMs - this.last);
      if (this.steps.length > MEASURED_FRAMES) this.steps.shift();
    }
    this.last = timeMs;
  }

  /** Go on after a pause. */
  begin(): void {
    this.last = null;
  }

  get settled(): boolean {
    return this.steps.length >= MEASURED_FRAMES;
  }

  get known(): boolean {
    return this.steps.length >= LEAST_MEASURED;
  }

  get hz(): number {
    const sorted = [...this.steps].sort((a, b) => a - b);
    return sorted.length ? 1000 / sorted[Math.floor(sorted.length / 5)]! : 0;
  }
}

/** Why a display cannot carry a layout's frequencies; empty when it can. */
export function whyNot(rateHz: number, layout: Layout): string {
  const highest = Math.max(...layout.targets.map((target) => target.freqHz));
  if (rateHz >= LEAST_PER_PERIOD * highest) return "";
  return `this display shows ${rateHz.toFixed(1)} frames a second; ${highest} Hz needs ${(LEAST_PER_PERIOD * highest).toFixed(0)}`;
}

export function luminance(freqHz: number, phaseRad: number, tS: number): number {
  return (1 + Math.sin(2 * Math.PI * freqHz * tS + phaseRad)) / 2;
}

export type Mark = "cue" | "right" | "wrong";

export interface Scene {
  /** Moment of the onset, of `performance.now()`; null while nothing flickers. */
  onsetMs: number | null;
  marks: Map<number, Mark>;
}

const MARKS: Record<Mark, string> = { cue: "#ffc94d", right: "#35c26b", wrong: "#ff5c70" };

export class Screen {
  log: FrameLog = { times: [], values: [], dropped: 0, rateHz: 0 };
  private lastFrame: number | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    readonly rate: DisplayRate,
  ) {}

  beginLog(): void {
    this.log = { times: [], values: [], dropped: 0, rateHz: this.rate.hz };
    this.lastFrame = null;
  }

  draw(layout: Layout, scene: Scene, timeMs: number): void {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    const context = this.canvas.getContext("2d", { alpha: false })!;
    context.fillStyle = "#000000";
    context.fillRect(0, 0, width, height);
    const tS = scene.onsetMs === null ? null : (timeMs - scene.onsetMs) / 1000;
    const flickers = tS !== null && tS >= 0;
    const values = flickers ? layout.targets.map((target) => luminance(target.freqHz, target.phaseRad, tS)) : null;
    if (values) this.note(timeMs - scene.onsetMs!, values);
    const cell = [width / layout.columns, height / layout.rows] as const;
    const side = [cell[0] * 0.84, cell[1] * 0.8] as const;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `700 ${Math.min(side[1] * 0.5, side[0] * 0.3)}px system-ui, "DejaVu Sans", sans-serif`;
    layout.targets.forEach((target, i) => {
      const x = (i % layout.columns) * cell[0] + (cell[0] - side[0]) / 2;
      const y = Math.floor(i / layout.columns) * cell[1] + (cell[1] - side[1]) / 2;
      const grey = Math.round((values ? values[i]! : 0.32) * 255);
      context.fillStyle = `rgb(${grey},${grey},${grey})`;
      context.fillRect(x, y, side[0], side[1]);
      const mark = scene.marks.get(i);
      if (mark) {
        context.strokeStyle = MARKS[mark];
        context.lineWidth = Math.max(3, side[1] * 0.07);
        context.strokeRect(x, y, side[0], side[1]);
      }
      context.fillStyle = values ? "#d01030" : "#ffffff";
      context.fillText(shown(target.label), x + side[0] / 2, y + side[1] / 2, side[0] * 0.9);
    });
  }

  private note(timeMs: number, values: number[]): void {
    const log = this.log;
    if (this.lastFrame !== null && log.rateHz > 0) {
      log.dropped += Math.max(0, Math.round(((timeMs - this.lastFrame) / 1000) * log.rateHz) - 1);
    }
    this.lastFrame = timeMs;
    log.times.push(timeMs);
    log.values.push(values);
  }
}

/** A run's last flicker as CSV: the moment of each frame and what each target showed. */
export function csvOf(log: FrameLog, layout: Layout): string {
  const head = ["time_ms", ...layout.targets.map((target) => `${target.freqHz}Hz_${target.phaseRad.toFixed(6)}`)].join(",");
  const rows = log.times.map((time, i) => [time.toFixed(4), ...log.values[i]!.map((value) => value.toFixed(6))].join(","));
  return [head, ...rows].join("\n") + "\n";
}
