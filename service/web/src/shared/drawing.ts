// When a page draws: only where there is something new, and less often where the processor has to do
// it, which may be the one that decodes.
import { useEffect, useState } from "preact/hooks";

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
let found: boolean | undefined;

/** Whether no graphics processor draws what the browser shows. */
export function drawnByProcessor(): boolean {
  if (found === undefined) {
    const context = document.createElement("canvas").getContext("webgl");
    const names = context?.getExtension("WEBGL_debug_renderer_info");
    found = !context || SOFTWARE.test(String(context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER)));
    context?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  return found;
}

const asked = new Set<Redraw>();
let frame = 0;

/**
 * Draws at the display's next frame when it is asked to.
 *
 * With a period, once in each of the page's clock, and at once when the first news come in it: a page
 * is at work when the service has just been, not when it is about to be. One that rides waits for a
 * frame that another draws in, as every frame has its price, and no longer than its period.
 */
export class Redraw {
  private timer: number | undefined;
  private drawnIn = NaN;

  constructor(
    private readonly draw: () => void,
    private readonly periodMs = 0,
    private readonly rides = false,
  ) {}

  ask(): void {
    asked.add(this);
    if (this.isDue && !this.rides) soon();
    else this.timer ??= window.setTimeout(soon, this.periodMs);
  }

  stop(): void {
    asked.delete(this);
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  get isDue(): boolean {
    return this.period !== this.drawnIn;
  }

  now(): void {
    this.stop();
    this.drawnIn = this.period;
    this.draw();
  }

  private get period(): number {
    return this.periodMs ? Math.floor(performance.now() / this.periodMs) : NaN;
  }
}

function soon(): void {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    for (const each of [...asked]) if (each.isDue) each.now();
  });
}

/** Runs a step in each of the display's frames until it says that all stands still; `wake` starts it again. */
export class FrameLoop {
  private frame = 0;

  constructor(
    /** Do what a frame asks for; say whether another is needed. */
    private readonly step: (timeMs: number) => boolean,
    private readonly woken: () => void,
  ) {}

  wake(): void {
    if (this.frame) return;
    this.woken();
    this.frame = requestAnimationFrame(this.run);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
  }

  private readonly run = (timeMs: number): void => {
    this.frame = this.step(timeMs) ? requestAnimationFrame(this.run) : 0;
  };
}

/** Whether the page is seen: a tab behind another is not. */
export function useSeen(): boolean {
  const [seen, setSeen] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setSeen(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return seen;
}
