// Trials and the game: begun, ended, and what came of them.
import { NumberInput } from "../shared/NumberInput";
import { percent } from "../shared/words";
import { scoreOf } from "./trials";
import type { Practice } from "./usePractice";

export function Practise({ practice, classes, rest, ready }: { practice: Practice; classes: readonly string[]; rest: string | null; ready: boolean }) {
  const { activity, trials, nTrials, settings } = practice;
  const going = activity !== "nothing";
  const score = scoreOf(trials, rest);
  return (
    <section class="card" aria-labelledby="practise-title">
      <h2 id="practise-title">Practise</h2>
      <div class="row">
        <label>
          Trials of each class
          <NumberInput min={1} max={50} value={settings.perClass} disabled={going} onValue={(perClass) => practice.set({ perClass })} />
        </label>
        <label>
          Trial, s
          <NumberInput min={1} max={30} step={0.5} value={settings.trialS} disabled={going} onValue={(trialS) => practice.set({ trialS })} />
        </label>
      </div>
      <div class="row">
        {going ? (
          <button onClick={practice.end}>End</button>
        ) : (
          <>
            <button class="main" disabled={!ready} onClick={practice.startTrials}>
              Start trials
            </button>
            <button disabled={!ready} onClick={practice.startGame}>
              Play the game
            </button>
          </>
        )}
      </div>
      {trials.length > 0 && (
        <dl data-trials={trials.length} data-right={score.right} data-over={trials.length === nTrials}>
          <dt>Trials</dt>
          <dd>
            {trials.length} of {nTrials}
          </dd>
          <dt>Right</dt>
          <dd>
            {score.right} ({percent(score.right / trials.length)}; guessing gives {percent(1 / classes.length)})
          </dd>
          <dt>Wrong, silent</dt>
          <dd>
            {score.wrong}, {score.silent}
          </dd>
          <dt>Time to the right command</dt>
          <dd>{score.tookS === null ? "–" : `${score.tookS.toFixed(1)} s (median)`}</dd>
        </dl>
      )}
    </section>
  );
}
