// A guided calibration of the cursor: how long, how it goes, and the model that came of it.
import { modelName, scoreOfModel } from "../shared/calibration";
import { NumberInput } from "../shared/NumberInput";
import type { EarlierModel } from "../shared/useEarlierModel";
import type { CalibrationView } from "../shared/wire";
import { percent, whyNotMade } from "../shared/words";
import type { GuidedCalibration } from "./useGuidedCalibration";

export interface CalibrateProps {
  guided: GuidedCalibration;
  decodes: string;
  earlier: EarlierModel | null;
  ready: boolean;
}

export function Calibrate({ guided, decodes, earlier, ready }: CalibrateProps) {
  const { view, going, help } = guided;
  const guiding = going && (view === null || view.state === "guiding");
  return (
    <section class="card" aria-labelledby="calibrate-title">
      <h2 id="calibrate-title">Calibration</h2>
      <div class="row">
        <label>
          Seconds
          <NumberInput min={10} max={1800} value={guided.seconds} disabled={going} onValue={guided.setSeconds} />
        </label>
        {going ? (
          <button onClick={guided.cancel} disabled={view === null}>
            Cancel
          </button>
        ) : (
          <button onClick={guided.begin} disabled={!ready}>
            Calibrate
          </button>
        )}
        {earlier?.name != null && !going && (
          <button class="small" onClick={earlier.goBack}>
            Back to {earlier.name}
          </button>
        )}
      </div>
      <p class="soft" data-model={decodes}>
        Decodes by {decodes}
      </p>
      {guiding && (
        <label class="soft row" data-help={help.toFixed(2)}>
          Help left
          <meter class="grow" min={0} max={1} value={help} />
          {Math.round(100 * help)} %
        </label>
      )}
      {view && <Step view={view} />}
    </section>
  );
}

function Step({ view }: { view: CalibrationView }) {
  const { state } = view;
  if (state === "refused" || state === "cancelled") {
    return (
      <p class="bad" data-calibration={state}>
        {whyNotMade(view)}
      </p>
    );
  }
  if (state !== "done") {
    return (
      <div data-calibration={state} data-models={view.models}>
        <progress aria-label="Calibration" max={1} value={view.progress} />
        <p class="soft">{view.step}</p>
      </div>
    );
  }
  const accuracy = scoreOfModel(view, "accuracy");
  const correlation = (view.model?.scores as { correlation?: number[] } | undefined)?.correlation;
  return (
    <p class="good" data-calibration="done" data-hits={view.hits}>
      Made {modelName(view)}: {view.hits} targets reached on the way; towards the target in{" "}
      {accuracy === null ? "–" : percent(accuracy)} of the trials that were left out, correlation{" "}
      {correlation?.map((each) => each.toFixed(2)).join(" and ") ?? "–"}.
    </p>
  );
}
