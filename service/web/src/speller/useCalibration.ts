// A calibration of the speller: the page asks for each target in turn, then the service fits a model
// to the signal of those trials and the session decodes by it.
import { useState } from "preact/hooks";
import { sentence } from "../shared/api";
import { calibrate, cancelCalibration, modelName, type CalibrationBody } from "../shared/calibration";
import { tell } from "../shared/notices";
import { useLatest } from "../shared/useLatest";
import type { Hello, KindList } from "../shared/wire";
import { askedFor, decoderFor, onsetOf, type Plan, type Progress } from "./Calibrate";
import type { Layout } from "./layout";
import { CalibrationRun } from "./run";
import type { Onsets } from "./useOnsets";
import type { RunHandle } from "./useRun";

/** Time for the signal of the last trial to arrive. */
const SETTLE_MS = 1200;
const MODEL = "speller";
const TRIAL_END = "trial_end";

export interface Calibrating {
  progress: Progress;
  /** The trials are over and the service fits. */
  fitting: boolean;
  begin(layout: Layout, plan: Plan): void;
  /** Cancels the fit; null while there is none to cancel. */
  cancel: (() => void) | null;
  /** Show no longer what came of the last one. */
  forget(): void;
}

export function useCalibration(session: string | null, hello: Hello | null, installed: KindList, run: RunHandle, onsets: Onsets): Calibrating {
  const [progress, setProgress] = useState<Progress>(null);
  const [fitting, setFitting] = useState(false);
  const helloNow = useLatest(hello);
  const installedNow = useLatest(installed);

  const begin = (layout: Layout, plan: Plan) => {
    const beganMs = performance.now();
    const asking: CalibrationRun = new CalibrationRun(layout, askedFor(plan, layout), plan.windowS, onsets.lslAt, {
      onset(onsetMs, target, showing) {
        setProgress({ asking: asking.number, of: asking.total });
        onsets.onset(layout, onsetOf(layout), onsetMs, target, showing);
      },
      mark: onsets.mark,
      offset: () => onsets.offset(layout.endMarker ?? TRIAL_END),
      choice: () => undefined,
      over() {
        run.over();
        void fit(layout, plan, beganMs);
      },
    });
    run.begin(asking, (why) => {
      onsets.offset(layout.endMarker);
      setProgress(null);
      if (why) tell("warn", `Calibration ended, nothing was learned: ${why}`);
    });
  };

  const fit = async (layout: Layout, plan: Plan, beganMs: number) => {
    const config = helloNow.current?.config;
    if (session === null || !config) return;
    setFitting(true);
    try {
      await new Promise((done) => setTimeout(done, SETTLE_MS));
      const body = {
        name: MODEL,
        decoder: decoderFor(plan, layout, config, installedNow.current),
        last_s: (performance.now() - beganMs) / 1000 + 1,
        swap: true,
      } as unknown as CalibrationBody;
      const ended = await calibrate(session, body, setProgress);
      if (ended.state === "done") tell("good", `${session} decodes by ${modelName(ended)} now.`);
    } catch (error) {
      setProgress(null);
      tell("bad", `The calibration failed: ${sentence(error)}`);
    } finally {
      setFitting(false);
    }
  };

  const cancel = fitting && progress && "id" in progress ? () => cancelCalibration(progress) : null;
  return { progress, fitting, begin, cancel, forget: () => setProgress(null) };
}
