// A guided calibration of the cursor: how long, how it goes, and the model that came of it.
import { modelName, scoreOfModel } from "../shared/calibration";
import { NumberInput } from "../shared/NumberInput";
import type { CalibrationView } from "../shared/wire";
import { percent, whyNotMade } from "../shared/words";

export interface CalibrateProps {
  seconds: number;
  onSeconds: (seconds: number) => void;
  view: CalibrationView | null;
  going: boolean;
  /** Share of what goes astray that is taken off now. */
  help: number;
  decodes: string;
  earlier: string | null;
  ready: boolean;
  onStart: () => void;
  onCancel: () => void;
  onBack: () => void;
}

export function Calibrate(props: CalibrateProps) {
  const { view, going } = props;
  const guiding = going && (view === null || view.state === "guiding");
  return (
    <section class="card" aria-labelledby="calibrate-title">
      <h2 id="calibrate-title">Calibration</h2>
      <div class="row">
        <label>
          Seconds
          <NumberInput min={10} max={1800} value={props.seconds} disabled={going} onValue={props.onSeconds} />
        </label>
        {going ? (
          <button onClick={props.onCancel} disabled={view === null}>
            Cancel
          </button>
        ) : (
          <button onClick={props.onStart} disabled={!props.ready}>
            Calibrate
          </button>
        )}
        {props.earlier !== null && !going && (
          <button class="small" onClick={props.onBack}>
            Back to {props.earlier}
          </button>
        )}
      </div>
      <p class="soft" data-model={props.decodes}>
        Decodes by {props.decodes}
      </p>
      {guiding && (
        <label class="soft row" data-help={props.help.toFixed(2)}>
          Help left
          <meter class="grow" min={0} max={1} value={props.help} />
          {Math.round(100 * props.help)} %
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
