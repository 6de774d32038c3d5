// How the display keeps up with the flicker, and how well the page knows the service's clock.
import { saveText } from "../shared/save";
import { csvOf } from "./flicker";
import type { Layout } from "./layout";
import type { Flicker } from "./useFlicker";

export interface DisplayProps {
  layout: Layout | null;
  flicker: Flicker;
  /** How far off the clock may be; null before it is known. */
  uncertaintyS: number | null;
  running: boolean;
}

export function Display({ layout, flicker, uncertaintyS, running }: DisplayProps) {
  const { rateHz, frames, dropped } = flicker.display;
  const cannot = layout && rateHz ? layout.stimulus.whyNot(rateHz) : "";
  const save = () => {
    const log = flicker.log();
    if (layout && log) saveText("frames.csv", "text/csv", csvOf(log, layout));
  };
  return (
    <>
      <div class="row soft">
        <span>Display: {rateHz ? `${rateHz.toFixed(1)} Hz` : "measuring"}</span>
        <span class={dropped ? "warn" : ""} data-dropped={dropped}>
          {dropped} of {frames + dropped} frames dropped in the last flicker
        </span>
        <span>Clock: {uncertaintyS === null ? "not measured yet" : `known within ${(uncertaintyS * 1000).toFixed(1)} ms`}</span>
        <button class="small" disabled={!frames || running} onClick={save}>
          Save frame times
        </button>
      </div>
      {cannot && <p class="bad">The flicker would be wrong: {cannot}.</p>}
    </>
  );
}
