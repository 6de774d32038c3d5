// A cursor's guided calibration as the page shows it: the service says in cues where each target is,
// and its session where the cursor is; the page shows both, and how much help is left.
import type { Cue, Hello } from "../shared/wire";
import type { Asked } from "./draw";
import { holds, WORKSPACE_CM, type Point, type Target } from "./task";

/** Share of the time after which help has faded, as the service has it by itself. */
const HELPED = 0.64;

export interface CursorPlan {
  seconds: number;
  helped_s: number;
}

export const planOf = (seconds: number): CursorPlan => ({ seconds, helped_s: HELPED * seconds });

/** A session's places in the page's centimetres: its workspace fills the page's. */
export class Scale {
  private readonly middle: Point;
  private readonly half: number;

  constructor(config: Hello["config"] | null) {
    const decoder = config?.decoder as { cursor?: { workspace?: [number, number][] | null } } | undefined;
    const [x, y] = decoder?.cursor?.workspace ?? [];
    this.middle = x && y ? [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2] : [0, 0];
    this.half = x && y ? Math.min(x[1] - x[0], y[1] - y[0]) / 2 : WORKSPACE_CM;
  }

  point([x, y]: readonly number[]): Point {
    return [((x! - this.middle[0]) / this.half) * WORKSPACE_CM, ((y! - this.middle[1]) / this.half) * WORKSPACE_CM];
  }

  length(size: number): number {
    return (size / this.half) * WORKSPACE_CM;
  }
}

export class Guide {
  target: Target | null = null;
  private readonly startMs = performance.now();

  constructor(
    private readonly plan: CursorPlan,
    private readonly scale: Scale,
  ) {}

  take(cue: Cue): void {
    const data = cue.data as { position?: number[]; radius?: number };
    if (cue.phase === "trial" && data.position && data.radius !== undefined) {
      this.target = { at: this.scale.point(data.position), reach: this.scale.length(data.radius), square: false };
    } else if (cue.phase === "end") this.target = null;
  }

  /** What it asks for of a cursor in its place, as it is drawn. */
  asked(cursor: Point): Asked | null {
    const { target } = this;
    return target && { task: "random", target, inside: holds(target, cursor), held: 0 };
  }

  /** Share of what goes astray that the service takes off now. */
  get help(): number {
    return Math.max(0, 1 - (performance.now() - this.startMs) / 1000 / this.plan.helped_s);
  }
}
