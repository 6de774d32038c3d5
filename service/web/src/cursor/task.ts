// Tasks for a cursor as `streams/cursor_tasks.py` has them, in centimetres: centre-out-and-back to
// eight targets, targets anywhere, a grid of squares, and Fitts' task with targets of several sizes
// (Brandman et al., J. Neural Eng. 15:026007, 2018; Simeral et al. 2011). A target counts as touched
// where the cursor's disc meets it: W in Fitts' index log2(D / W + 1) holds the diameters of both.

export type TaskName = "centre-out" | "random" | "grid" | "fitts";
export type Point = readonly [number, number];

export const RADIUS_CM = 12.1;
export const WORKSPACE_CM = RADIUS_CM + 4;
export const CURSOR_CM = 1.5;
const TARGET_CM = 2.4;
const FITTS_CM = [1.6, 3.5, 5.6];
const GRID = 6;

export const TASKS: Record<TaskName, { title: string; holdS: number; timeoutS: number }> = {
  "centre-out": { title: "Centre-out and back", holdS: 0.3, timeoutS: 5 },
  random: { title: "Targets anywhere", holdS: 0.3, timeoutS: 5 },
  grid: { title: "Grid of squares", holdS: 1, timeoutS: 10 },
  fitts: { title: "Fitts, three sizes", holdS: 0.5, timeoutS: 10 },
};

export interface Target {
  at: Point;
  /** Half of W: the cursor's middle touches it from here. */
  reach: number;
  square: boolean;
}

export interface Trial {
  outcome: "hit" | "timeout" | "wrong";
  startS: number;
  timeS: number;
  distance: number;
  width: number;
  path: number;
  entries: number;
  target: Point;
  trace: Point[];
}

export function holds(target: Target, [x, y]: Point): boolean {
  const [dx, dy] = [x - target.at[0], y - target.at[1]];
  return target.square ? Math.max(Math.abs(dx), Math.abs(dy)) <= target.reach : Math.hypot(dx, dy) <= target.reach;
}

const between = (a: Point, b: Point) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** A generator of numbers from 0 to 1 that gives the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

export function gridSquares(): Target[] {
  const side = (2 * RADIUS_CM) / GRID;
  const middles = Array.from({ length: GRID }, (_, i) => -RADIUS_CM + side * (i + 0.5));
  return middles.flatMap((y) => middles.map((x) => ({ at: [x, y] as const, reach: side / 2, square: true })));
}

function* targetsOf(task: TaskName, random: () => number): Generator<Target, never> {
  const disc = (at: Point, size: number): Target => ({ at, reach: (size + CURSOR_CM) / 2, square: false });
  const place = (): Point => [(2 * random() - 1) * RADIUS_CM, (2 * random() - 1) * RADIUS_CM];
  const squares = gridSquares();
  for (;;) {
    if (task === "centre-out") {
      for (const number of shuffled([0, 1, 2, 3, 4, 5, 6, 7], random)) {
        const angle = (2 * Math.PI * number) / 8;
        yield disc([RADIUS_CM * Math.cos(angle), RADIUS_CM * Math.sin(angle)], TARGET_CM);
        yield disc([0, 0], TARGET_CM);
      }
    } else if (task === "random") yield disc(place(), TARGET_CM);
    else if (task === "fitts") for (const size of shuffled(FITTS_CM, random)) yield disc(place(), size);
    else yield squares[Math.floor(random() * squares.length)]!;
  }
}

/** One go at a task: show it the cursor from moment to moment. */
export class TaskRun {
  readonly trials: Trial[] = [];
  target: Target;
  inside = false;
  /** How much of the hold is done, 0 to 1. */
  held = 0;
  private readonly targets: Generator<Target, never>;
  private readonly choices: Target[];
  private startS = 0;
  private distance = 0;
  private path = 0;
  private pathToEntry = 0;
  private entries = 0;
  private touched: Target | null = null;
  private sinceS = 0;
  private cursor: Point | null = null;
  private trace: Point[] = [];

  constructor(
    readonly task: TaskName,
    private readonly byClick: boolean,
    seed: number,
  ) {
    this.targets = targetsOf(task, randomOf(seed));
    this.choices = task === "grid" ? gridSquares() : [];
    this.target = this.targets.next().value;
  }

  /** Take where the cursor is, and whether it clicks; give the trial that this ends. */
  show(cursor: Point, timeS: number, click: boolean): Trial | null {
    if (this.cursor === null) this.begin(cursor, timeS);
    this.path += this.cursor ? between(this.cursor, cursor) : 0;
    this.cursor = cursor;
    this.trace.push(cursor);
    const inside = holds(this.target, cursor);
    if (inside && !this.inside) {
      this.entries++;
      this.pathToEntry = this.path;
    }
    this.inside = inside;
    const outcome = this.outcome(cursor, timeS, click);
    if (outcome === null) return null;
    const trial: Trial = {
      outcome,
      startS: this.startS,
      timeS: timeS - this.startS,
      distance: this.distance,
      width: 2 * this.target.reach,
      path: this.pathToEntry,
      entries: this.entries,
      target: this.target.at,
      trace: this.trace,
    };
    this.trials.push(trial);
    do this.target = this.targets.next().value;
    while (holds(this.target, cursor) && this.task !== "centre-out");
    this.begin(cursor, timeS);
    return trial;
  }

  private begin(cursor: Point, timeS: number): void {
    this.startS = timeS;
    this.distance = between(cursor, this.target.at);
    this.path = this.pathToEntry = this.entries = this.held = 0;
    this.inside = false;
    this.touched = null;
    this.trace = [];
  }

  private outcome(cursor: Point, timeS: number, click: boolean): Trial["outcome"] | null {
    const { holdS, timeoutS } = TASKS[this.task];
    const touched = this.inside ? this.target : (this.choices.find((each) => holds(each, cursor)) ?? null);
    if (touched?.at.join() !== this.touched?.at.join()) {
      this.touched = touched;
      this.sinceS = timeS;
    }
    this.held = touched && !this.byClick ? Math.min(1, (timeS - this.sinceS) / holdS) : 0;
    const selected = this.byClick ? click && touched !== null : this.held >= 1;
    if (selected) return touched === this.target || this.inside ? "hit" : "wrong";
    return timeS - this.startS >= timeoutS ? "timeout" : null;
  }
}

export interface Scores {
  trials: number;
  success: number | null;
  timeS: number | null;
  pathEfficiency: number | null;
  entries: number | null;
  /** Index of difficulty of the hits over the time of all trials, bits a second. */
  throughput: number | null;
  /** The grid's achieved bit rate (Nuyujukian et al., IEEE TBME 62:2178, 2015). */
  bitRate: number | null;
}

const mean = (values: number[]) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);

export const difficulty = (trial: Trial) => Math.log2(trial.distance / trial.width + 1);

/** How straight the way to a hit was: what a straight line must cover is the way to the edge, where
 *  the hold begins. 0 for a trial that is no hit. */
export const efficiencyOf = (t: Trial) => (t.outcome === "hit" && t.path > 0 ? Math.max(0, Math.min(1, (t.distance - t.width / 2) / t.path)) : 0);

/** Bits a second of one trial; 0 where it is no hit. */
export const throughputOf = (t: Trial) => (t.outcome === "hit" ? difficulty(t) / t.timeS : 0);

export function scoresOf(trials: Trial[], task: TaskName): Scores {
  const hits = trials.filter((trial) => trial.outcome === "hit");
  const wrong = trials.filter((trial) => trial.outcome === "wrong").length;
  const totalS = trials.reduce((sum, trial) => sum + trial.timeS, 0);
  const choices = task === "grid" ? GRID * GRID : 0;
  return {
    trials: trials.length,
    success: mean(trials.map((trial) => (trial.outcome === "hit" ? 1 : 0))),
    timeS: mean(hits.map((trial) => trial.timeS)),
    pathEfficiency: mean(hits.filter((trial) => trial.path > 0).map(efficiencyOf)),
    entries: mean(hits.map((trial) => trial.entries)),
    throughput: totalS ? hits.reduce((sum, trial) => sum + difficulty(trial), 0) / totalS : null,
    bitRate: choices && totalS ? (Math.log2(choices - 1) * Math.max(0, hits.length - wrong)) / totalS : null,
  };
}

export function csvOf(trials: Trial[], task: TaskName, control: string): string {
  const head = "trial,task,control,outcome,start_s,time_s,distance_cm,width_cm,index_of_difficulty_bits,path_cm,entries,target_x_cm,target_y_cm";
  const rows = trials.map((t, i) =>
    [
      i + 1, task, control, t.outcome, t.startS.toFixed(4), t.timeS.toFixed(4), t.distance.toFixed(3), t.width.toFixed(3),
      difficulty(t).toFixed(4), t.path.toFixed(3), t.entries, t.target[0].toFixed(3), t.target[1].toFixed(3),
    ].join(","),
  );
  return [head, ...rows].join("\n") + "\n";
}
