// The screen of the targets: what each shows in a frame is told; frames, and those that were dropped,
// are counted. All is one canvas: forty rectangles and their letters, or one letter after the other.
import { shown, type Layout } from "./layout";

const MEASURED_FRAMES = 300;
const LEAST_MEASURED = 45;
/** Luminance of what neither flickers nor flashes. */
const REST = 0.32;

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

export type Mark = "cue" | "right" | "wrong";

export interface Scene {
  /** Moment of the onset, of `performance.now()`; null while none is fixed. */
  onsetMs: number | null;
  /** Luminance of each target; null while nothing flickers. */
  values: number[] | null;
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
    const { values } = scene;
    if (values && scene.onsetMs !== null) this.note(timeMs - scene.onsetMs, values);
    context.textAlign = "center";
    context.textBaseline = "middle";
    if (layout.stimulus.inOnePlace && values) this.drawOne(context, layout, values);
    else this.drawAll(context, layout, scene);
  }

  /** One letter at a time, in the middle. */
  private drawOne(context: CanvasRenderingContext2D, layout: Layout, values: number[]): void {
    const { width, height } = this.canvas;
    const index = values.indexOf(1);
    if (index < 0) return;
    context.font = fontOf(0.5 * Math.min(width, height));
    context.fillStyle = "#ffffff";
    context.fillText(shown(layout.labels[index]!), width / 2, height / 2, width * 0.9);
  }

  private drawAll(context: CanvasRenderingContext2D, layout: Layout, { values, marks }: Scene): void {
    const { width, height } = this.canvas;
    const cell = [width / layout.columns, height / layout.rows] as const;
    const side = [cell[0] * 0.84, cell[1] * 0.8] as const;
    context.font = fontOf(Math.min(side[1] * 0.5, side[0] * 0.3));
    layout.labels.forEach((label, i) => {
      const x = (i % layout.columns) * cell[0] + (cell[0] - side[0]) / 2;
      const y = Math.floor(i / layout.columns) * cell[1] + (cell[1] - side[1]) / 2;
      const grey = Math.round((values ? values[i]! : REST) * 255);
      context.fillStyle = `rgb(${grey},${grey},${grey})`;
      context.fillRect(x, y, side[0], side[1]);
      const mark = marks.get(i);
      if (mark) {
        context.strokeStyle = MARKS[mark];
        context.lineWidth = Math.max(3, side[1] * 0.07);
        context.strokeRect(x, y, side[0], side[1]);
      }
      context.fillStyle = values ? "#d01030" : "#ffffff";
      context.fillText(shown(label), x + side[0] / 2, y + side[1] / 2, side[0] * 0.9);
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
  const head = ["time_ms", ...layout.stimulus.heads.map(quoted)].join(",");
  const rows = log.times.map((time, i) => [time.toFixed(4), ...log.values[i]!.map((value) => value.toFixed(6))].join(","));
  return [head, ...rows].join("\n") + "\n";
}

const quoted = (head: string) => (/[",\n]/.test(head) ? `"${head.replaceAll('"', '""')}"` : head);

const fontOf = (px: number) => `700 ${px}px system-ui, "DejaVu Sans", sans-serif`;
