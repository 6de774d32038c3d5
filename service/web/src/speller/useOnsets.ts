// What the onset and the end of a flicker set going, whatever the run: frames are counted anew, the
// simulated person looks at the target and away again, and the service is told by markers. Markers of
// flashes go out together, a tenth of a second at a time: each has the time of its own frame.
import { useRef } from "preact/hooks";
import type { LiveSession, Stamped } from "../shared/live";
import { useLatest } from "../shared/useLatest";
import type { Layout } from "./layout";
import { Sinusoids } from "./sinusoids";
import type { Showing } from "./stimulus";
import type { Flicker } from "./useFlicker";
import type { Gaze } from "./useGaze";
import type { RunHandle } from "./useRun";

const TOLD_EVERY_MS = 100;

export interface Onsets {
  /** LSL time of a moment of `performance.now()`; null while it is not known. */
  lslAt(atMs: number): number | null;
  /** The onset of a flicker is fixed; `target` is null where none is asked for. */
  onset(layout: Layout, marker: string | null, onsetMs: number, target: number | null, showing: Showing): void;
  /** A frame began what is to be marked. */
  mark(name: string, frameMs: number): void;
  /** The flicker is over. */
  offset(marker: string | null): void;
  /** Say what is written. */
  wrote(text: string): void;
}

/** A run whose marker (null: none is needed) cannot be stamped is interrupted. */
export function useOnsets(live: LiveSession | null, gaze: Gaze, flicker: Flicker, run: RunHandle): Onsets {
  const liveNow = useLatest(live);
  const waiting = useRef<Stamped[]>([]);
  const lslAt = (atMs: number) => liveNow.current?.clock.lsl(atMs) ?? null;

  const onset = (layout: Layout, marker: string | null, onsetMs: number, target: number | null, showing: Showing) => {
    flicker.beginLog();
    waiting.current = [];
    gaze(target, lslAt(onsetMs), showing);
    if (marker === null) return;
    if (!liveNow.current?.mark(marker, dataOf(layout, target), onsetMs)) run.interrupt("the onset could not be told");
  };
  const mark = (name: string, frameMs: number) => {
    waiting.current.push({ name, atMs: frameMs });
    if (frameMs - waiting.current[0]!.atMs >= TOLD_EVERY_MS) tellWaiting();
  };
  const tellWaiting = () => {
    const markers = waiting.current;
    waiting.current = [];
    if (markers.length && !liveNow.current?.markAll(markers)) run.interrupt("flashes could not be told");
  };
  const offset = (marker: string | null) => {
    tellWaiting();
    gaze(null, null, null);
    if (marker !== null && !liveNow.current?.mark(marker)) run.interrupt("the end of a trial could not be told");
  };
  const wrote = (text: string) => void liveNow.current?.mark(`text ${text}`);
  return { lslAt, onset, mark, offset, wrote };
}

function dataOf(layout: Layout, target: number | null): Record<string, unknown> {
  if (target === null) return {};
  const { labels, stimulus } = layout;
  return { target: labels[target], ...(stimulus instanceof Sinusoids ? { freq_hz: stimulus.of[target]!.freqHz } : {}) };
}
