// The stage: in each frame the cursor moves, the task sees it, and what changed is drawn. Where all
// stands still no frame is asked for: a page that waits costs nothing.
import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { FrameLoop } from "../shared/drawing";
import type { LiveSession } from "../shared/live";
import { useLatest } from "../shared/useLatest";
import type { SimulatedPerson } from "../shared/useSimulatedPerson";
import { Painter, type Asked } from "./draw";
import { Sight } from "./sight";
import type { Steering } from "./steering";
import type { Point } from "./task";
import type { TaskHandle } from "./useTask";

const LEAST_DT_S = 1e-3;
const MOST_DT_S = 0.1;

/** What the stage shows, as the page knows it now. */
export interface Play {
  steering: Steering;
  task: TaskHandle;
  /** What a calibration asks for of a cursor in its place. */
  guided: (cursor: Point) => Asked | null;
  live: LiveSession | null;
  /** Why the session steers nothing; empty while it does. */
  stopped: string;
  /** Who is simulated and sees the screen. */
  person: SimulatedPerson;
}

export interface Stage {
  canvas: RefObject<HTMLCanvasElement | null>;
  /** Why the cursor does not move by what is decoded; empty while it does. */
  halted: string;
  /** Something may move again. */
  wake(): void;
}

export function useStage(play: Play): Stage {
  const [halted, setHalted] = useState("");
  const canvas = useRef<HTMLCanvasElement>(null);
  const loop = useRef<FrameLoop | null>(null);
  const now = useLatest(play);
  const wake = useCallback(() => loop.current?.wake(), []);

  useEffect(() => {
    const element = canvas.current!;
    const painter = new Painter(element);
    const sight = new Sight();
    let beforeMs = 0;
    const step = (timeMs: number) => {
      const { steering, task, guided, live, stopped, person } = now.current;
      const dtS = Math.min(MOST_DT_S, Math.max(LEAST_DT_S, (timeMs - beforeMs) / 1000));
      beforeMs = timeMs;
      steering.pass(dtS, live, stopped, task.run.current?.target ?? null);
      setHalted(steering.halted);
      task.show(steering, timeMs / 1000);
      const asked: Asked | null = task.run.current ?? guided(steering.position);
      const painted = painter.paint(steering, asked, timeMs);
      const watcher = steering.control === "session" ? person.id : null;
      if (watcher !== null) sight.show(watcher, steering.position, asked?.target.at ?? null, timeMs, person.forget);
      return !painted || asked !== null || watcher !== null || steering.moves;
    };
    const frames = new FrameLoop(step, () => {
      beforeMs = performance.now();
    });
    loop.current = frames;
    const size = new ResizeObserver(wake);
    size.observe(element);
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => {
      painter.recolour();
      wake();
    };
    theme.addEventListener("change", recolour);
    return () => {
      frames.stop();
      size.disconnect();
      theme.removeEventListener("change", recolour);
    };
  }, []);
  // Who steers, how the session stands, what is asked for: any of it may set things going.
  useEffect(wake);
  return { canvas, halted, wake };
}
