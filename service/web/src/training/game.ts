// A game that classes steer: each command moves a piece by one cell, and five targets win it. Along a
// line where the classes point along one, on a board where they point four ways.
import type { Step } from "./directions";

export type Cell = readonly [number, number];

export const TARGETS_TO_WIN = 5;
const LINE: Cell = [7, 1];
const BOARD: Cell = [5, 5];

export class Game {
  readonly size: Cell;
  position: Cell;
  target: Cell;
  reached = 0;
  moves = 0;
  /** Moves that led away from the target. */
  astray = 0;

  constructor(
    private readonly directions: ReadonlyMap<string, Step>,
    private readonly random: () => number = Math.random,
  ) {
    this.size = [...directions.values()].some(([, down]) => down !== 0) ? BOARD : LINE;
    this.position = [(this.size[0] - 1) / 2, (this.size[1] - 1) / 2];
    this.target = this.another();
  }

  get won(): boolean {
    return this.reached === TARGETS_TO_WIN;
  }

  /** The class that leads to the target: along the longer way first. */
  get wanted(): string | null {
    if (this.won) return null;
    const [x, y] = [this.target[0] - this.position[0], this.target[1] - this.position[1]];
    const along = Math.abs(x) >= Math.abs(y) ? [Math.sign(x), 0] : [0, Math.sign(y)];
    const found = [...this.directions].find(([, [right, down]]) => right === along[0] && down === along[1]);
    return found?.[0] ?? null;
  }

  /** Take a command; one without a direction moves nothing. */
  take(label: string): void {
    const step = this.directions.get(label);
    if (!step || this.won) return;
    const before = this.distance();
    const within = (value: number, most: number) => Math.min(most - 1, Math.max(0, value));
    this.position = [within(this.position[0] + step[0], this.size[0]), within(this.position[1] + step[1], this.size[1])];
    this.moves += 1;
    if (this.distance() >= before) this.astray += 1;
    if (this.distance() > 0) return;
    this.reached += 1;
    if (!this.won) this.target = this.another();
  }

  private distance(): number {
    return Math.abs(this.target[0] - this.position[0]) + Math.abs(this.target[1] - this.position[1]);
  }

  /** A cell two steps away or more that the classes can reach. */
  private another(): Cell {
    const ways = [...this.directions.values()];
    const reachable = (x: number, y: number) =>
      (x === this.position[0] || ways.some(([right]) => right === Math.sign(x - this.position[0]))) &&
      (y === this.position[1] || ways.some(([, down]) => down === Math.sign(y - this.position[1])));
    const cells: Cell[] = [];
    for (let x = 0; x < this.size[0]; x++) {
      for (let y = 0; y < this.size[1]; y++) {
        const far = Math.abs(x - this.position[0]) + Math.abs(y - this.position[1]) >= 2;
        if (far && reachable(x, y)) cells.push([x, y]);
      }
    }
    return cells[Math.floor(this.random() * cells.length)] ?? this.position;
  }
}
