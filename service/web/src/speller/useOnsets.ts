// What the onset and the end of a flicker set going, whatever the run: frames are counted anew, the
// simulated person looks at the target and away again, and the service is told by markers.
import type { LiveSession } from "../shared/live";
import { useLatest } from "../shared/useLatest";
import type { Layout } from "./layout";
import type { Flicker } from "./useFlicker";
import type { Gaze } from "./useGaze";
import type { RunHandle } from "./useRun";

export interface Onsets {
  /** LSL time of a moment of `performance.now()`; null while it is not known. */
  lslAt(atMs: number): number | null;
  /** The onset of a flicker is fixed; `target` is null where none is asked for. */
  onset(layout: Layout, marker: string | null, onsetMs: number, target: number | null): void;
  /** The flicker is over. */
  offset(marker: string | null): void;
}

/** A run whose marker (null: none is needed) cannot be stamped is interrupted. */
export function useOnsets(live: LiveSession | null, gaze: Gaze, flicker: Flicker, run: RunHandle): Onsets {
  const liveNow = useLatest(live);
  const lslAt = (atMs: number) => liveNow.current?.clock.lsl(atMs) ?? null;
  const onset = (layout: Layout, marker: string | null, onsetMs: number, target: number | null) => {
    flicker.beginLog();
    gaze(target, lslAt(onsetMs));
    if (marker === null) return;
    const data = target === null ? {} : { target: layout.targets[target]!.label, freq_hz: layout.targets[target]!.freqHz };
    if (!liveNow.current?.mark(marker, data, onsetMs)) run.interrupt("the onset could not be told");
  };
  const offset = (marker: string | null) => {
    gaze(null, null);
    if (marker !== null && !liveNow.current?.mark(marker)) run.interrupt("the end of a trial could not be told");
  };
  return { lslAt, onset, offset };
}
