// Where the simulated person looks: the page tells them, as it would show a real one.
import { useCallback } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { useLatest } from "../shared/useLatest";
import { placeAmongForty, type Layout } from "./layout";

/** Has the person look at a target (null: at none) from a moment of LSL time on (null: now). */
export type Gaze = (index: number | null, t: number | null) => void;

export function useGaze(person: string | null, layout: Layout | null): Gaze {
  const now = useLatest({ person, layout });
  return useCallback((index, t) => {
    const { person: id, layout } = now.current;
    if (id === null) return;
    const target = index === null || !layout ? null : placeAmongForty(layout.targets[index]!.freqHz);
    call("put", "/v1/simulations/{id}/gaze", { path: { id }, body: { target, t } }).catch((error: unknown) => tell("warn", sentence(error)));
  }, []);
}
