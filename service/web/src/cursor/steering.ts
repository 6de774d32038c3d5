// Where the cursor goes: the mouse, the arrow keys, or a session's intents. An intent that no longer
// counts, a stream that degraded, a lost connection: the cursor slows to a stop and says why.
import type { LiveSession } from "../shared/live";
import type { Intent } from "../shared/wire";
import { WORKSPACE_CM, type Point, type Target } from "./task";

export type Control = "mouse" | "keys" | "session";

/** The speed falls to a twentieth in 0.15 s. */
const DECAY_S = 0.05;
/** Slower than this nothing is seen to move. */
const STILL_CM_S = 1e-3;
const KEY_SPEED_CM_S = 14;

const clamp = (value: number) => Math.min(WORKSPACE_CM, Math.max(-WORKSPACE_CM, value));

export class Steering {
  position: Point = [0, 0];
  velocity: Point = [0, 0];
  /** Why the cursor does not move by what is decoded; empty while it does. */
  halted = "";
  /** Share of the speed across the line to the target that is taken off. */
  assist = 0;
  /** Where the session has its cursor, in the page's centimetres: while that is shown as it is. */
  follows: ((position: readonly number[]) => Point) | null = null;
  private clicked = false;
  private pointer: Point = [0, 0];
  private readonly keys = new Set<string>();
  private decoded: { velocity: Point; position: readonly number[] | null; until: number } | null = null;
  private lastReason = "no intent has come yet";

  constructor(public control: Control) {}

  centre(): void {
    this.position = [0, 0];
    this.velocity = [0, 0];
  }

  point(at: Point): void {
    this.pointer = [clamp(at[0]), clamp(at[1])];
  }

  click(): void {
    this.clicked = true;
  }

  /** Whether there was a click since it was asked last. */
  takeClick(): boolean {
    const clicked = this.clicked;
    this.clicked = false;
    return clicked;
  }

  key(name: string, down: boolean): void {
    if (down) this.keys.add(name);
    else this.keys.delete(name);
  }

  /** Take an intent; say whether anything is another way for it. */
  take(intent: Intent): boolean {
    const steers = this.control === "session";
    if (intent.kind === "click") {
      if (steers) this.clicked = true;
      return steers;
    }
    if (intent.kind !== "cursor") {
      const reason = intent.kind === "idle" ? `idle: ${intent.reason}` : `the session sends ${intent.kind} intents, not a cursor`;
      const changes = steers && (this.decoded !== null || this.lastReason !== reason);
      this.decoded = null;
      this.lastReason = reason;
      return changes;
    }
    const [x, y] = intent.velocity;
    this.decoded = { velocity: [x ?? 0, y ?? 0], position: intent.position ?? null, until: Math.min(intent.t_sample, intent.t_decoded ?? intent.t_sample) + intent.expires_s };
    return steers;
  }

  /** Whether it moves, or goes by an intent that will expire. */
  get moves(): boolean {
    return Math.hypot(...this.velocity) > STILL_CM_S || (this.control === "session" && !this.halted);
  }

  /** Let some time pass; `stopped` is a reason for standing still that the session gives. */
  pass(dtS: number, live: LiveSession | null, stopped: string, target: Target | null): void {
    if (this.control === "mouse") {
      this.halted = "";
      this.velocity = [(this.pointer[0] - this.position[0]) / dtS, (this.pointer[1] - this.position[1]) / dtS];
      this.position = this.pointer;
      return;
    }
    if (this.control === "session" && this.follows && this.decoded?.position) {
      this.byIntents(live, stopped);
      this.velocity = [0, 0];
      const [x, y] = this.follows(this.decoded.position);
      this.position = [clamp(x), clamp(y)];
      return;
    }
    const wanted = this.control === "keys" ? this.byKeys() : this.byIntents(live, stopped);
    if (wanted) this.velocity = this.helped(wanted, target);
    else {
      const keep = Math.exp(-dtS / DECAY_S);
      this.velocity = [this.velocity[0] * keep, this.velocity[1] * keep];
    }
    this.position = [clamp(this.position[0] + this.velocity[0] * dtS), clamp(this.position[1] + this.velocity[1] * dtS)];
  }

  private byKeys(): Point | null {
    this.halted = "";
    const axis = (less: string, more: string) => Number(this.keys.has(more)) - Number(this.keys.has(less));
    const [x, y] = [axis("ArrowLeft", "ArrowRight"), axis("ArrowDown", "ArrowUp")];
    if (!x && !y) return null;
    const size = Math.hypot(x, y) / KEY_SPEED_CM_S;
    return [x / size, y / size];
  }

  private byIntents(live: LiveSession | null, stopped: string): Point | null {
    const now = live?.clock.lsl() ?? null;
    const fresh = this.decoded !== null && now !== null && now < this.decoded.until;
    this.halted = stopped || (fresh ? "" : this.decoded ? "the last intent no longer counts" : this.lastReason);
    return this.halted ? null : this.decoded!.velocity;
  }

  private helped(velocity: Point, target: Target | null): Point {
    if (!target || !this.assist) return velocity;
    const [dx, dy] = [target.at[0] - this.position[0], target.at[1] - this.position[1]];
    const square = dx * dx + dy * dy;
    if (!square) return velocity;
    const along = (velocity[0] * dx + velocity[1] * dy) / square;
    const keep = 1 - this.assist;
    return [along * dx + keep * (velocity[0] - along * dx), along * dy + keep * (velocity[1] - along * dy)];
  }
}
