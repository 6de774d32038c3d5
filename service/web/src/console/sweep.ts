// The live signal on a canvas, as a monitor's sweep: each new bin is drawn once, at its place, and a
// blank strip runs ahead of it. What a frame costs follows from what is new, not from what is shown,
// so that 256 channels stay as smooth as 8. All is drawn again only when the size or the scale changes.
import { drawnByProcessor, Redraw } from "../shared/drawing";
import type { Bins } from "./signal";

export const SPAN_S = 8;
const AHEAD_S = 0.25;
const GAP_BINS = 4;
const LABEL_PX = 56;
/** Without a graphics processor each frame costs the canvas's whole area, however little is new. */
const SPARING_MS = 100;

export interface Colours {
  back: string;
  trace: string;
  line: string;
  text: string;
}

interface Column {
  time: number;
  lows: Float32Array;
  highs: Float32Array;
}

export class Sweep {
  private columns: Column[] = [];
  private drawn = 0;
  private labels: string[] = [];
  private centres: Float32Array = new Float32Array(0);
  /** Half of a row, in the signal's units; found from the signal while `auto`. */
  scale = 50;
  auto = true;
  private scaledAt = 0;
  private dirty = true;
  private readonly redraw = new Redraw(() => this.draw(), drawnByProcessor() ? SPARING_MS : 0);
  private readonly watch = new ResizeObserver(() => this.redraw.ask());

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly colours: () => Colours,
    private readonly onScale: (scale: number) => void,
  ) {
    this.watch.observe(canvas);
  }

  stop(): void {
    this.watch.disconnect();
    this.redraw.stop();
  }

  begin(labels: string[]): void {
    this.labels = labels;
    this.columns = [];
    this.centres = new Float32Array(labels.length).fill(NaN);
    this.refresh();
  }

  /** Draw all again at the next frame. */
  refresh(): void {
    this.dirty = true;
    this.redraw.ask();
  }

  setScale(scale: number | null): void {
    this.auto = scale === null;
    this.scaledAt = 0;
    if (scale !== null) this.scale = scale;
    this.refresh();
  }

  add(bins: Bins): void {
    if (bins.channels !== this.labels.length) return;
    const last = this.columns[this.columns.length - 1];
    // The clock was set back, or the service's host is another: what was shown has no place now.
    if (last && bins.times[0]! < last.time) this.begin(this.labels);
    for (let i = 0; i < bins.times.length; i++) {
      const from = i * bins.channels;
      this.columns.push({
        time: bins.times[i]!,
        lows: bins.lows.subarray(from, from + bins.channels),
        highs: bins.highs.subarray(from, from + bins.channels),
      });
    }
    const newest = this.columns[this.columns.length - 1]!.time;
    let old = 0;
    while (this.columns[old]!.time < newest - SPAN_S + AHEAD_S) old++;
    // In blocks: taking one from the front of a long array at each frame is slow.
    if (old > 200) {
      this.columns.splice(0, old);
      this.drawn = Math.max(0, this.drawn - old);
    }
    this.redraw.ask();
  }

  private draw(): void {
    this.fit();
    this.rescale();
    if (this.dirty) {
      this.dirty = false;
      this.clear();
      this.drawn = 0;
    }
    if (this.drawn < this.columns.length) this.drawFrom(this.drawn);
    this.drawn = this.columns.length;
  }

  private fit(): void {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round(this.canvas.clientHeight * ratio);
    if (width === this.canvas.width && height === this.canvas.height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.dirty = true;
  }

  /** Let nine tenths of the last columns' swings fit, in steps of 1, 2, 5. */
  private rescale(): void {
    const now = performance.now();
    if (!this.auto || this.columns.length < 20 || now - this.scaledAt < 2000) return;
    this.scaledAt = now;
    const swings: number[] = [];
    const recent = this.columns.slice(-300);
    for (let channel = 0; channel < this.labels.length; channel++) {
      let low = Infinity;
      let high = -Infinity;
      let sum = 0;
      let n = 0;
      for (const column of recent) {
        low = Math.min(low, column.lows[channel]! || 0);
        high = Math.max(high, column.highs[channel]! || 0);
        const middle = (column.lows[channel]! + column.highs[channel]!) / 2;
        if (!Number.isNaN(middle)) {
          sum += middle;
          n++;
        }
      }
      const centre = n ? sum / n : 0;
      if (Number.isNaN(this.centres[channel]!) || Math.abs(centre - this.centres[channel]!) > this.scale / 2) {
        this.centres[channel] = centre;
        this.dirty = true;
      }
      swings.push(Math.max(high - centre, centre - low));
    }
    swings.sort((a, b) => a - b);
    const wanted = Math.max(swings[Math.floor(swings.length * 0.75)] ?? 1, 1e-6);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const scale = [1, 2, 5, 10].map((step) => step * power).find((step) => step >= wanted) ?? wanted;
    if (scale > this.scale || scale < this.scale / 2.5) {
      this.scale = scale;
      this.dirty = true;
    }
    this.onScale(this.scale);
  }

  private clear(): void {
    const context = this.canvas.getContext("2d", { alpha: false })!;
    const ratio = window.devicePixelRatio || 1;
    const colours = this.colours();
    context.fillStyle = colours.back;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const row = this.canvas.height / Math.max(1, this.labels.length);
    const size = Math.max(7, Math.min(12, row / ratio)) * ratio;
    const every = Math.max(1, Math.ceil((9 * ratio) / row));
    context.font = `${size}px system-ui, "DejaVu Sans", sans-serif`;
    context.textBaseline = "middle";
    context.fillStyle = colours.text;
    this.labels.forEach((label, channel) => {
      if (channel % every === 0) context.fillText(label, 4 * ratio, (channel + 0.5) * row, (LABEL_PX - 8) * ratio);
    });
  }

  private drawFrom(first: number): void {
    const context = this.canvas.getContext("2d", { alpha: false })!;
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.canvas;
    const left = LABEL_PX * ratio;
    const perS = (width - left) / SPAN_S;
    const row = height / Math.max(1, this.labels.length);
    const perUnit = row / 2 / this.scale;
    const colours = this.colours();
    const x = (time: number) => left + (((time % SPAN_S) + SPAN_S) % SPAN_S) * perS;
    const newest = this.columns[this.columns.length - 1]!.time;
    const usual = this.usualStep();
    const thickness = Math.max(1, Math.min(usual * perS + 0.5, 3 * ratio));
    // The strip ahead is blank, and so is what the new columns are drawn on.
    context.fillStyle = colours.back;
    const from = this.columns[first]!.time;
    const blankS = Math.min(SPAN_S, newest - from + AHEAD_S + usual);
    const start = x(from);
    const blank = blankS * perS;
    context.fillRect(start, 0, Math.min(blank, width - start), height);
    if (start + blank > width) context.fillRect(left, 0, start + blank - width, height);
    context.fillStyle = colours.trace;
    context.beginPath();
    for (let i = first; i < this.columns.length; i++) {
      const column = this.columns[i]!;
      if (column.time < newest - SPAN_S + AHEAD_S) continue;
      const before = i > 0 ? this.columns[i - 1]! : undefined;
      const joined = before && column.time - before.time < GAP_BINS * usual ? before : undefined;
      const at = x(column.time);
      for (let channel = 0; channel < this.labels.length; channel++) {
        let low = column.lows[channel]!;
        let high = column.highs[channel]!;
        if (Number.isNaN(low)) continue;
        const beforeLow = joined?.lows[channel] ?? NaN;
        if (!Number.isNaN(beforeLow)) {
          low = Math.min(low, joined!.highs[channel]!);
          high = Math.max(high, beforeLow);
        }
        const centre = Number.isNaN(this.centres[channel]!) ? 0 : this.centres[channel]!;
        const middle = (channel + 0.5) * row;
        const top = Math.max(middle - (high - centre) * perUnit, channel * row - row / 2);
        const bottom = Math.min(middle - (low - centre) * perUnit, (channel + 1) * row + row / 2);
        context.rect(at, top, thickness, Math.max(bottom - top, ratio));
      }
    }
    context.fill();
  }

  private usualStep(): number {
    const n = this.columns.length;
    if (n < 2) return 0.01;
    const few = this.columns.slice(Math.max(0, n - 20));
    const steps = few.slice(1).map((column, i) => column.time - few[i]!.time);
    steps.sort((a, b) => a - b);
    return Math.max(steps[Math.floor(steps.length / 2)]!, 1e-4);
  }
}
