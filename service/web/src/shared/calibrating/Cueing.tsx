// What a guided calibration asks for now.
import { useEffect, useState } from "preact/hooks";
import type { ServiceClock } from "../clock";
import type { Cue } from "../wire";

const COUNT_EVERY_MS = 100;

/** What to look at or to do, and for how long still. */
export function Cueing({ cue, clock, looks }: { cue: Cue; clock: ServiceClock | null; looks: boolean }) {
  const [, count] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => count((n) => n + 1), COUNT_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const now = clock?.lsl() ?? null;
  const until = cue.phase === "cue" ? cue.t : cue.t_end;
  const left = now === null ? null : Math.max(0, until - now);
  const rest = looks ? "Rest: look at no target" : "Rest";
  const what = cue.target === null ? rest : looks ? `Look at ${cue.label}` : cue.label;
  return (
    <div class={`cue ${cue.phase}`} data-cue={cue.phase}>
      <p role="status">{cue.phase === "pause" || cue.phase === "end" ? "Blink, move your eyes" : what}</p>
      <p class="soft">
        {cue.phase === "cue" && `It begins${left === null ? "" : ` in ${left.toFixed(1)} s`}, and lasts ${(cue.t_end - cue.t).toFixed(1)} s.`}
        {cue.phase === "trial" && (left === null ? "Now." : `Now, for ${left.toFixed(1)} s.`)}
        {(cue.phase === "pause" || cue.phase === "end") && `Trial ${cue.trial} of ${cue.trials} is over.`}
      </p>
    </div>
  );
}
