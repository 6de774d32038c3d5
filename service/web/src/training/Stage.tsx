// What the person sees: the arrow that asks, how likely each class is as the decoder has it, and the
// game's board.
import { useState } from "preact/hooks";
import type { Intent } from "../shared/wire";
import { percent } from "../shared/words";
import { arrowOf, type Step } from "./directions";
import { TARGETS_TO_WIN, type Game } from "./game";
import { useTone } from "./useTone";

const IDLE: Record<string, string> = {
  uncalibrated: "The decoder has no model yet: calibrate.",
  drifted: "The signal is too far from that of the calibration: re-centre, or calibrate again.",
  settling: "Finding where the signal lies today…",
  missing_samples: "Samples are missing.",
  rate: "The stream's rate is not what it announces.",
  held: "The emergency stop holds.",
};

export interface StageProps {
  asked: string | null;
  directions: ReadonlyMap<string, Step>;
  classes: readonly string[];
  intent: Intent | null;
  game: Game | null;
  /** Why nothing is decided; empty while something is. */
  halted: string;
}

export function Stage({ asked, directions, classes, intent, game, halted }: StageProps) {
  const [sound, setSound] = useState(false);
  useTone(asked, classes, sound);
  const why = halted || (intent?.kind === "idle" && IDLE[intent.reason]) || "";
  return (
    <div class="stage card">
      {game ? <Board game={game} /> : <Ask asked={asked} step={asked === null ? undefined : directions.get(asked)} />}
      <Likely classes={classes} intent={intent} asked={asked} />
      <p class={why ? "bad halted" : "soft halted"} role="status" data-idle={intent?.kind === "idle" ? intent.reason : ""}>
        {why || (intent?.kind === "class" ? `Command: ${intent.label}` : "No command")}
      </p>
      <label class="soft">
        <input type="checkbox" checked={sound} onChange={(event) => setSound(event.currentTarget.checked)} />
        A tone with each cue
      </label>
    </div>
  );
}

function Ask({ asked, step }: { asked: string | null; step: Step | undefined }) {
  return (
    <div class="ask" data-asked={asked ?? ""} role="status" aria-live="assertive">
      <span class="arrow" aria-hidden="true">
        {asked === null ? "+" : arrowOf(step)}
      </span>
      <span>{asked ?? "Relax"}</span>
    </div>
  );
}

/** The probability of each class in the last window: what is decided on, and nothing that is made nicer. */
function Likely({ classes, intent, asked }: { classes: readonly string[]; intent: Intent | null; asked: string | null }) {
  const found = intent?.kind === "class" ? intent.probabilities : intent?.kind === "idle" ? intent.evidence : {};
  return (
    <ul class="likely" aria-label="Probability of each class">
      {classes.map((label) => {
        const share = Math.min(1, Math.max(0, (found as Record<string, number | null>)[label] ?? 0));
        return (
          <li key={label} class={label === asked ? "asked" : ""}>
            <span>{label}</span>
            <meter min={0} max={1} value={share} aria-label={label} />
            <span class="number">{percent(share)}</span>
          </li>
        );
      })}
    </ul>
  );
}

function Board({ game }: { game: Game }) {
  const [columns, rows] = game.size;
  const cells = Array.from({ length: columns * rows }, (_, i) => [i % columns, Math.floor(i / columns)] as const);
  return (
    <figure class="board" data-reached={game.reached} data-moves={game.moves} data-won={game.won}>
      <svg viewBox={`-0.1 -0.1 ${columns + 0.2} ${rows + 0.2}`} role="img" aria-label={`Piece in column ${game.position[0] + 1}, row ${game.position[1] + 1}; target in column ${game.target[0] + 1}, row ${game.target[1] + 1}`}>
        {cells.map(([x, y]) => (
          <rect key={`${x},${y}`} x={x + 0.05} y={y + 0.05} width="0.9" height="0.9" rx="0.12" class={x === game.target[0] && y === game.target[1] ? "goal" : "cell"} />
        ))}
        <circle cx={game.position[0] + 0.5} cy={game.position[1] + 0.5} r="0.3" class="piece" />
      </svg>
      <figcaption aria-live="polite">
        {game.won ? `Won in ${game.moves} moves` : `${game.reached} of ${TARGETS_TO_WIN} targets, ${game.moves} moves, ${game.astray} astray`}
      </figcaption>
    </figure>
  );
}
