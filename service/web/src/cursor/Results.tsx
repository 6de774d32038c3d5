// How the trials went: figures, the time of each, and the paths that were taken.
import { RADIUS_CM, scoresOf, WORKSPACE_CM, type TaskName, type Trial } from "./task";

const OUTCOMES = { hit: "good", timeout: "warn", wrong: "bad" } as const;

const show = (value: number | null, digits: number, unit: string) => (value === null ? "–" : `${value.toFixed(digits)}${unit}`);

export function Results(props: { trials: Trial[]; task: TaskName; over: boolean; onSave: () => void }) {
  const { trials, task } = props;
  const found = scoresOf(trials, task);
  const longest = Math.max(...trials.map((trial) => trial.timeS), 1);
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
          <figure>
            <svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" aria-label="Time of each trial">
              {trials.map((trial, i) => {
                const width = 100 / Math.max(trials.length, 8);
                const height = (trial.timeS / longest) * 58;
                return <rect key={i} class={OUTCOMES[trial.outcome]} x={i * width} y={60 - height} width={width * 0.8} height={height} />;
              })}
            </svg>
            <figcaption class="soft">time of each trial, {longest.toFixed(1)} s at most</figcaption>
          </figure>
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
