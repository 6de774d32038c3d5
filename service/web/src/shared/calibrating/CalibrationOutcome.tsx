// What came of a calibration.
import { modelName } from "../calibration";
import type { CalibrationView } from "../wire";
import { whyNotMade } from "../words";
import { Scores } from "./Scores";

export function CalibrationOutcome({ made }: { made: CalibrationView }) {
  if (made.state === "done") {
    return (
      <div data-calibration="done">
        <p>
          Made <b>{modelName(made)}</b> of {made.model?.training.n_trials ?? "–"} trials
          {made.swapped && ", and the session decodes by it"}.
        </p>
        <Scores scores={made.model?.scores ?? {}} />
      </div>
    );
  }
  return (
    <p class={made.state === "refused" ? "bad" : "soft"} data-calibration={made.state}>
      {whyNotMade(made)}
    </p>
  );
}
