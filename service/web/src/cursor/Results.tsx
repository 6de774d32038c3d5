// How the trials went: figures, the time of each, and the paths that were taken.
import { efficiencyOf, RADIUS_CM, scoresOf, throughputOf, WORKSPACE_CM, type TaskName, type Trial } from "./task";

const OUTCOMES = { hit: "good", timeout: "warn", wrong: "bad" } as const;

const show = (value: number | null, digits: number, unit: string) => (value === null ? "–" : `${value.toFixed(digits)}${unit}`);

export function Results(props: { trials: Trial[]; task: TaskName; over: boolean; onSave: () => void }) {
  const { trials, task } = props;
  const found = scoresOf(trials, task);
  return (
    <section class="card" aria-labelledby="results-title">
      <div class="row">
        <h2 id="results-title" class="grow">
          Results
        </h2>
        <button class="small" onClick={props.onSave} disabled={!trials.length}>
          Save as CSV
        </button>
      </div>
      <dl data-over={props.over} data-success={found.success ?? ""}>
        <dt>Trials</dt>
        <dd class="number">{found.trials}</dd>
        <dt>Success</dt>
        <dd class="number">{show(found.success === null ? null : found.success * 100, 0, " %")}</dd>
        <dt>Time to target</dt>
        <dd class="number">{show(found.timeS, 2, " s")}</dd>
        <dt>Path efficiency</dt>
        <dd class="number">{show(found.pathEfficiency, 2, "")}</dd>
        <dt>Entries of the target</dt>
        <dd class="number">{show(found.entries, 2, "")}</dd>
        <dt>Throughput (Fitts)</dt>
        <dd class="number">{show(found.throughput, 2, " bit/s")}</dd>
        {found.bitRate !== null && (
          <>
            <dt>Achieved bit rate</dt>
            <dd class="number">{show(found.bitRate, 2, " bit/s")}</dd>
          </>
        )}
      </dl>
      {trials.length > 0 && (
        <div class="plots">
          <Bars trials={trials} what="success so far" unit=" %" digits={0} most={100} of={(_, i) => 100 * successTo(trials, i)} />
          <Bars trials={trials} what="time of each trial" unit=" s" digits={1} of={(trial) => trial.timeS} />
          <Bars trials={trials} what="path efficiency" unit="" digits={2} most={1} of={efficiencyOf} />
          <Bars trials={trials} what="throughput" unit=" bit/s" digits={2} of={throughputOf} />
          <figure>
            <svg viewBox={`${-WORKSPACE_CM} ${-WORKSPACE_CM} ${2 * WORKSPACE_CM} ${2 * WORKSPACE_CM}`} role="img" aria-label="Paths of the cursor">
              <circle class="rim" r={RADIUS_CM} />
              {trials.slice(-40).map((trial, i) => (
                <polyline key={i} class={OUTCOMES[trial.outcome]} points={trial.trace.map(([x, y]) => `${x.toFixed(2)},${(-y).toFixed(2)}`).join(" ")} />
              ))}
            </svg>
            <figcaption class="soft">paths</figcaption>
          </figure>
        </div>
      )}
    </section>
  );
}

const successTo = (trials: Trial[], last: number) => trials.slice(0, last + 1).filter((trial) => trial.outcome === "hit").length / (last + 1);

interface BarsProps {
  trials: Trial[];
  what: string;
  unit: string;
  digits: number;
  /** The top of the plot; the largest value when left out. */
  most?: number;
  of: (trial: Trial, i: number) => number;
}

/** A figure of each trial, in its order, coloured by how the trial ended. */
function Bars({ trials, what, unit, digits, most, of }: BarsProps) {
  const values = trials.map(of);
  const top = most ?? Math.max(...values, 1e-9);
  const width = 100 / Math.max(trials.length, 8);
  const said = `${what}, up to ${top.toFixed(digits)}${unit}`;
  return (
    <figure>
      <svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" aria-label={`${said}, trial by trial; last ${values[values.length - 1]!.toFixed(digits)}${unit}`}>
        {trials.map((trial, i) => (
          <rect key={i} class={OUTCOMES[trial.outcome]} x={i * width} y={60 - (values[i]! / top) * 58} width={width * 0.8} height={(values[i]! / top) * 58} />
        ))}
      </svg>
      <figcaption class="soft">{said}</figcaption>
    </figure>
  );
}
