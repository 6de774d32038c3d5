// How well a run of spelling went so far.
import type { Layout } from "./layout";
import { scoreOf, type Choice } from "./run";

export function Figures({ choices, layout, over }: { choices: Choice[]; layout: Layout | null; over: boolean }) {
  const score = scoreOf(choices, layout?.labels.length ?? 1);
  const number = (value: number | null, unit: string, digits = 0) => (value === null ? "–" : `${value.toFixed(digits)}${unit}`);
  return (
    <div class="row figures" data-over={over} data-accuracy={score.accuracy ?? ""}>
      <span>
        Choices <b class="number">{choices.length}</b>
      </span>
      <span>
        Accuracy of selections <b class="number">{number(score.accuracy === null ? null : score.accuracy * 100, " %")}</b>
      </span>
      <span>
        Nothing selected <b class="number">{score.nothing}</b>
      </span>
      <span>
        Characters a minute <b class="number">{number(score.perMinute, "", 1)}</b>
      </span>
      <span>
        Bits a minute, gaze included <b class="number">{number(score.itr, "", 1)}</b>
      </span>
      <span class="soft">
        {choices
          .slice(-6)
          .map((choice) => `${choice.wanted ?? "?"} → ${choice.chosen ?? "none"}`)
          .join(", ")}
      </span>
    </div>
  );
}
