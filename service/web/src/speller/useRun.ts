// The run that goes on, of spelling or of calibration: one at a time. It takes intents and the
// display's frames as they come, so it is held in a reference and not in the page's state.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { SessionHandle } from "../shared/useSession";
import type { Intent } from "../shared/wire";
import { SpellingRun, type Trials } from "./run";

export interface RunHandle {
  readonly now: { readonly current: Trials | null };
  readonly goes: boolean;
  /** Begin a run; `interrupted` is told why if it is ended before it is over (empty: by the person). */
  begin(run: Trials, interrupted: (why: string) => void): void;
  /** End the run that goes on, if one does, before it is over. */
  interrupt(why: string): void;
  /** The run that went on is over. */
  over(): void;
  /** Hand an intent to the run, if it spells. */
  take(intent: Intent): void;
}

export function useRun(): RunHandle {
  const now = useRef<Trials | null>(null);
  const interrupted = useRef<(why: string) => void>(() => {});
  const [goes, setGoes] = useState(false);

  const begin = useCallback((run: Trials, whenInterrupted: (why: string) => void) => {
    now.current = run;
    interrupted.current = whenInterrupted;
    setGoes(true);
  }, []);
  const over = useCallback(() => {
    now.current = null;
    setGoes(false);
  }, []);
  const interrupt = useCallback((why: string) => {
    if (now.current === null) return;
    over();
    interrupted.current(why);
  }, []);
  const take = useCallback((intent: Intent) => {
    if (now.current instanceof SpellingRun) now.current.take(intent, performance.now());
  }, []);
  return { now, goes, begin, interrupt, over, take };
}

/** Interrupt a run when its decisions cannot come: nothing flickers on meanwhile. */
export function useInterruption(run: RunHandle, handle: SessionHandle): void {
  const state = handle.standing?.state;
  useEffect(() => {
    if (!run.goes) return;
    if (handle.held) run.interrupt("emergency stop");
    else if (handle.link !== "open") run.interrupt("the connection was lost");
    else if (state && state !== "running") run.interrupt(`the session is ${state}`);
  }, [run.goes, handle.held, handle.link, state]);
}
