// The canvas on which the targets flicker: it draws the run's frames, stands still without a run, and
// says how the display keeps up.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { FrameLoop } from "../shared/drawing";
import { DisplayRate, Screen, type FrameLog, type Mark } from "./flicker";
import type { Layout } from "./layout";
import type { Trials } from "./run";
import type { RunHandle } from "./useRun";

const SAID_EVERY_MS = 500;

export interface DisplayState {
  /** 0 before it is measured. */
  rateHz: number;
  /** Frames of the last flicker, shown and dropped. */
  frames: number;
  dropped: number;
}

export interface Flicker {
  /** Takes the canvas to draw on. */
  canvas: (element: HTMLCanvasElement | null) => void;
  display: DisplayState;
  /** Frames of the last flicker; null before anything is drawn. */
  log(): FrameLog | null;
  /** Count frames anew: a flicker is about to begin. */
  beginLog(): void;
}

export function useFlicker(layout: Layout | null, run: RunHandle): Flicker {
  const [canvas, setCanvas] = useState<HTMLCanvasElement | null>(null);
  const [display, setDisplay] = useState<DisplayState>({ rateHz: 0, frames: 0, dropped: 0 });
  const screen = useRef<Screen | null>(null);
  const loop = useRef<FrameLoop | null>(null);
  const targets = layout && [...layout.labels, ...layout.stimulus.heads].join();

  useEffect(() => {
    if (!canvas || !layout) return;
    const rate = new DisplayRate();
    const drawn = new Screen(canvas, rate);
    const presentation = new Presentation(canvas, drawn, layout, run.now, setDisplay);
    const frames = new FrameLoop(
      (timeMs) => presentation.step(timeMs),
      () => rate.begin(),
    );
    screen.current = drawn;
    loop.current = frames;
    const resize = new ResizeObserver(() => frames.wake());
    resize.observe(canvas);
    return () => {
      frames.stop();
      resize.disconnect();
    };
  }, [canvas, targets]);

  useEffect(() => {
    if (run.goes) loop.current?.wake();
  }, [run.goes]);

  const log = useCallback(() => screen.current?.log ?? null, []);
  const beginLog = useCallback(() => {
    screen.current?.beginLog();
    setDisplay((last) => ({ ...last, frames: 0, dropped: 0 }));
  }, []);
  return { canvas: setCanvas, display, log, beginLog };
}

/** Draws each of the display's frames while a run goes on or the display's rate is not known yet. */
class Presentation {
  private saidMs = 0;
  /** The size at which the page without a run was drawn; empty while a run goes on. */
  private restedAt = "";

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly screen: Screen,
    private readonly layout: Layout,
    private readonly run: { readonly current: Trials | null },
    private readonly say: (display: DisplayState) => void,
  ) {}

  /** Draw a frame where one is due; say whether another is needed. */
  step(timeMs: number): boolean {
    const { rate } = this.screen;
    rate.add(timeMs);
    this.run.current?.frame(timeMs, rate.known ? 1000 / rate.hz : 0);
    const run = this.run.current;
    const size = `${this.canvas.clientWidth} ${this.canvas.clientHeight}`;
    // Without a run all stands still, and is drawn again only at another size.
    if (run || size !== this.restedAt) this.screen.draw(this.layout, { onsetMs: run?.onsetMs ?? null, values: run?.values ?? null, marks: marksOf(run) }, timeMs);
    const ended = !run && this.restedAt === "";
    this.restedAt = run ? "" : size;
    const waits = !run && rate.settled;
    if (timeMs - this.saidMs > SAID_EVERY_MS || ended || waits) this.report(timeMs);
    return !waits;
  }

  private report(timeMs: number): void {
    const { rate, log } = this.screen;
    this.saidMs = timeMs;
    this.say({ rateHz: rate.known ? rate.hz : 0, frames: log.times.length, dropped: log.dropped });
  }
}

function marksOf(run: Trials | null): Map<number, Mark> {
  const marks = new Map<number, Mark>();
  if (!run) return marks;
  if (run.wanted !== null && run.phase !== "feedback") marks.set(run.wanted, "cue");
  if (run.phase === "feedback" && run.chosen !== null) {
    marks.set(run.chosen, run.wanted === null || run.wanted === run.chosen ? "right" : "wrong");
  }
  return marks;
}
