// Targets that flash by a session's code book, in one of two ways. Codes that are locked to the display
// (noise tags, m-sequences) show the step that belongs to each frame's moment, over and over. Flashes
// that are rare (rows and columns, one at a time) come every `EVERY_S`, all steps once in a drawn order
// and then in another, and each is dark again before the next. Where the decoder is not told a rate,
// each step is marked with the moment of the frame that showed it first; a step for which no frame
// came is not marked, and so counts for nothing.
import type { CodeBookView } from "../shared/wire";
import type { Showing, Stimulus } from "./stimulus";

/** From one rare flash to the next, and how long it lasts. */
const EVERY_S = 0.15;
const LASTS_S = 0.075;
/** In one place each is seen for as long as there is. */
const EVERY_IN_ONE_PLACE_S = 0.2;
/** Steps of a code a second, where every one is marked. */
const USUAL_STEP_HZ = 60;
/** The display of a code that is locked to frames may be off by this share. */
const OFF = 0.01;
const RARE = new Set(["rowcol", "checkerboard", "single", "rsvp"]);

const OFF_LUMINANCE = 0.25;
/** A frame comes a little sooner than its moment at times; it shows the step that begins then. */
const EARLY_S = 0.004;

/** A flash that is planned: how long after the onset, and which step. */
export interface Planned {
  atS: number;
  step: number;
}

export class Codes implements Stimulus {
  readonly heads: string[];
  readonly inOnePlace: boolean;
  /** Whether flashes are rare and drawn, and not steps of a sequence in its order. */
  readonly rare: boolean;
  readonly stepS: number;
  private readonly nSteps: number;

  constructor(private readonly book: CodeBookView) {
    this.heads = book.items;
    this.inOnePlace = book.code === "rsvp";
    this.rare = book.step_hz === null && RARE.has(book.code);
    this.stepS = this.rare ? (this.inOnePlace ? EVERY_IN_ONE_PLACE_S : EVERY_S) : 1 / (book.step_hz ?? USUAL_STEP_HZ);
    this.nSteps = book.steps[0]!.length;
  }

  begin(): CodeShowing {
    const { book } = this;
    return new CodeShowing(book, this.rare ? this.drawn() : null, this.stepS, this.rare && !this.inOnePlace ? LASTS_S : this.stepS);
  }

  whyNot(rateHz: number): string {
    if (this.rare) return "";
    const stepHz = 1 / this.stepS;
    const frames = rateHz / stepHz;
    if (Math.round(frames) >= 1 && Math.abs(frames / Math.round(frames) - 1) <= OFF) return "";
    return `this display shows ${rateHz.toFixed(1)} frames a second; codes of ${stepHz.toFixed(0)} steps a second need a multiple of that`;
  }

  /** Code of an item, a digit a step. */
  bitsOf(item: number): string {
    return this.book.steps[item]!;
  }

  get stepHz(): number {
    return 1 / this.stepS;
  }

  /** Places of the items of a step. */
  itemsOf(step: number): number[] {
    return this.book.steps.flatMap((bits, item) => (bits[step] === "1" ? [item] : []));
  }

  /** Steps in the order in which they flash, for as long as a selection takes. No step follows itself. */
  private drawn(): number[] {
    const n = Math.ceil(this.book.max_s / this.stepS);
    const order: number[] = [];
    while (order.length < n) {
      const round = shuffled(this.nSteps);
      if (round[0] === order[order.length - 1]) round.reverse();
      order.push(...round);
    }
    return order.slice(0, n);
  }
}

export class CodeShowing implements Showing {
  /** Number of steps since the onset; -1 before. */
  private number = -1;
  private isLit = false;
  private names: string[] = [];
  private readonly isMarked: boolean;

  constructor(
    private readonly book: CodeBookView,
    /** Steps in the order of their flashes; null where they follow each other as they are numbered. */
    private readonly order: number[] | null,
    private readonly stepS: number,
    private readonly lastsS: number,
  ) {
    this.isMarked = book.step_hz === null;
  }

  /** What is planned, where flashes are rare. */
  get planned(): Planned[] {
    return this.order?.map((step, number) => ({ atS: number * this.stepS, step })) ?? [];
  }

  frame(tS: number): number[] {
    const moment = tS + EARLY_S;
    const number = Math.floor(moment / this.stepS);
    const step = tS >= this.book.max_s ? null : this.stepOf(number);
    const isLit = step !== null && moment - number * this.stepS < this.lastsS;
    if (isLit && number !== this.number) this.mark(`step ${step}`);
    // A decoder of rises and falls is told of the fall too.
    else if (!isLit && this.isLit && this.book.decoder === "reconvolution") this.mark("items");
    if (isLit) this.number = number;
    this.isLit = isLit;
    return this.book.steps.map((bits) => (isLit && bits[step] === "1" ? 1 : this.order ? OFF_LUMINANCE : 0));
  }

  begun(): string[] {
    const names = this.names;
    this.names = [];
    return names;
  }

  private mark(name: string): void {
    if (this.isMarked) this.names.push(name);
  }

  private stepOf(number: number): number | null {
    return this.order ? (this.order[number] ?? null) : number % this.book.steps[0]!.length;
  }
}

export function shuffled(n: number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
