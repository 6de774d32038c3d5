// What the simulated person looks at: the page tells them, as it would show a real one.
import { useCallback } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { useLatest } from "../shared/useLatest";
import { CodeShowing, Codes } from "./codes";
import { placeAmongForty, type Layout } from "./layout";
import { Sinusoids } from "./sinusoids";
import type { Showing } from "./stimulus";

/** From a moment of LSL time on, these are shown and the person looks at a target, or at none (null). */
export type Gaze = (index: number | null, t: number | null, showing: Showing | null) => void;

export function useGaze(person: string | null, layout: Layout | null): Gaze {
  const now = useLatest({ person, layout });
  return useCallback((index, t, showing) => {
    const { person: id, layout } = now.current;
    if (id === null || !layout) return;
    const { stimulus } = layout;
    const told =
      stimulus instanceof Codes
        ? call("put", "/v1/simulations/{id}/flashes", { path: { id }, body: flashing(stimulus, layout, index, t, showing) })
        : call("put", "/v1/simulations/{id}/gaze", { path: { id }, body: { target: placeOf(stimulus, index), t } });
    told.catch((error: unknown) => tell("warn", sentence(error)));
  }, []);
}

const placeOf = (stimulus: unknown, index: number | null) =>
  index === null || !(stimulus instanceof Sinusoids) ? null : placeAmongForty(stimulus.of[index]!.freqHz);

/** What flashes from `t` on; what was told before of later flashes no longer counts. */
function flashing(codes: Codes, layout: Layout, attended: number | null, t: number | null, showing: Showing | null) {
  if (t === null || !(showing instanceof CodeShowing)) return { attended: null, flashes: [], anew: true };
  if (codes.rare) {
    const flashes = showing.planned.slice(0, MOST_TOLD).map(({ atS, step }) => ({ t: t + atS, items: codes.itemsOf(step) }));
    return { attended, flashes, anew: true };
  }
  if (attended === null) return { attended, flashes: [], anew: true };
  const code = { bits: codes.bitsOf(attended), t, step_hz: codes.stepHz, lasts_s: Math.min(layout.longestS, LONGEST_S) };
  return { attended, flashes: [], code, anew: true };
}

/** What the service takes of flashes at once, and of a code. */
const MOST_TOLD = 1000;
const LONGEST_S = 60;
