// The screen of the cursor's tasks.
import { drawnByProcessor } from "../shared/drawing";
import type { Steering } from "./steering";
import { CURSOR_CM, gridSquares, WORKSPACE_CM, type Point, type Target, type TaskName } from "./task";

/** Without a graphics processor, every other frame of a display of 60 Hz is drawn. */
const SPARING_MS = 25;

/** What is asked for: the target, whether the cursor is in it, and how much of the hold is done. */
export interface Asked {
  readonly task: TaskName;
  readonly target: Target;
  readonly inside: boolean;
  readonly held: number;
}

interface Look {
  back: string;
  line: string;
  text: string;
  target: string;
  cursor: string;
  good: string;
  bad: string;
}

function lookOf(element: Element): Look {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    back: of("--card"), line: of("--line"), text: of("--text"), target: of("--target"),
    cursor: of("--accent"), good: of("--good"), bad: of("--bad"),
  };
}

/** Draws the scene when it changed, and no more often than the machine can afford. */
export class Painter {
  private look: Look;
  private painted = "";
  private paintedMs = 0;
  private readonly leastMs = drawnByProcessor() ? SPARING_MS : 0;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.look = lookOf(canvas);
  }

  /** Take the theme's colours as they are now. */
  recolour(): void {
    this.look = lookOf(this.canvas);
  }

  /** Draw what changed; say whether the canvas shows the scene as it is. */
  paint(steering: Steering, asked: Asked | null, timeMs: number): boolean {
    const scene = `${steering.position.join()} ${steering.halted} ${asked?.target.at.join()} ${asked?.held} ${asked?.inside} ${this.canvas.clientWidth} ${this.look.back}`;
    if (scene !== this.painted && timeMs - this.paintedMs >= this.leastMs) {
      this.painted = scene;
      this.paintedMs = timeMs;
      draw(this.canvas, this.look, steering, asked);
    }
    return scene === this.painted;
  }
}

/** Fit the canvas to its place; give how many pixels a centimetre of the task has. */
export function fit(canvas: HTMLCanvasElement): number {
  const ratio = window.devicePixelRatio || 1;
  const size = Math.round(Math.min(canvas.clientWidth, canvas.clientHeight) * ratio);
  if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
  return size / (2 * WORKSPACE_CM);
}

function draw(canvas: HTMLCanvasElement, look: Look, steering: Steering, run: Asked | null): void {
  const perCm = fit(canvas);
  const context = canvas.getContext("2d")!;
  const place = ([x, y]: Point): [number, number] => [(x + WORKSPACE_CM) * perCm, (WORKSPACE_CM - y) * perCm];
  context.fillStyle = look.back;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = Math.max(1, perCm * 0.06);
  if (run) {
    if (run.task === "grid") {
      context.strokeStyle = look.line;
      for (const square of gridSquares()) box(context, place(square.at), square.reach * perCm, false);
    }
    const [x, y] = place(run.target.at);
    const reach = run.target.square ? run.target.reach : run.target.reach - CURSOR_CM / 2;
    context.fillStyle = run.inside ? look.good : look.target;
    if (run.target.square) box(context, [x, y], reach * perCm * 0.94, true);
    else disc(context, x, y, reach * perCm);
    if (run.held > 0 && run.inside) {
      context.strokeStyle = look.text;
      context.lineWidth = perCm * 0.25;
      context.beginPath();
      context.arc(x, y, (reach + 0.4) * perCm, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * run.held);
      context.stroke();
    }
  }
  const [x, y] = place(steering.position);
  context.lineWidth = perCm * 0.16;
  context.strokeStyle = context.fillStyle = steering.halted ? look.bad : look.cursor;
  context.beginPath();
  context.arc(x, y, (CURSOR_CM / 2) * perCm, 0, 2 * Math.PI);
  // Hollow while nothing steers it: it is seen to be off without colours.
  if (steering.halted) {
    context.setLineDash([perCm * 0.3, perCm * 0.2]);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = look.bad;
    context.font = `600 ${Math.max(12, perCm * 0.7)}px system-ui, "DejaVu Sans", sans-serif`;
    context.textAlign = "center";
    context.fillText(steering.halted, canvas.width / 2, perCm * 1.2, canvas.width - perCm);
  } else context.fill();
}

function disc(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function box(context: CanvasRenderingContext2D, [x, y]: [number, number], half: number, filled: boolean): void {
  if (filled) context.fillRect(x - half, y - half, 2 * half, 2 * half);
  else context.strokeRect(x - half, y - half, 2 * half, 2 * half);
}
