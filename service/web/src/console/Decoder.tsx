// What the decoder thinks: evidence by target, the cursor with its covariance, or its own words.
import type { CursorIntent, Intent, StateView } from "../shared/wire";

export function Evidence({ intent }: { intent: Intent | null }) {
  if (intent === null) return <p class="soft">No decision has come yet.</p>;
  if (intent.kind === "cursor") return <CursorView intent={intent} />;
  const bars =
    intent.kind === "selection" || intent.kind === "idle" ? intent.evidence : intent.kind === "class" ? intent.probabilities : null;
  if (!bars || !Object.keys(bars).length) {
    return (
      <p class="soft">
        The last intent: {intent.kind}
        {intent.kind === "idle" && `, ${intent.reason}`}
      </p>
    );
  }
  const chosen = intent.kind === "selection" || intent.kind === "class" ? intent.label : null;
  const shown = Object.entries(bars as Record<string, number | null>)
    .map(([label, value]) => [label, value ?? 0] as const)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 8);
  const most = Math.max(...shown.map(([, value]) => value), 1e-9);
  return (
    <ul class="evidence" aria-label="Evidence for each target">
      {shown.map(([label, value]) => (
        <li key={label}>
          <span class={label === chosen ? "chosen" : ""}>{label}</span>
          <span class="bar" aria-hidden="true">
            <i style={{ width: `${Math.max(0, (value / most) * 100)}%` }} />
          </span>
          <span class="number">{value.toPrecision(3)}</span>
        </li>
      ))}
    </ul>
  );
}

function CursorView({ intent }: { intent: CursorIntent }) {
  const velocity = intent.velocity.map((value) => value ?? 0);
  const [x, y] = [velocity[0] ?? 0, velocity[1] ?? 0];
  const size = Math.max(Math.hypot(x, y), 1e-9);
  const [dx, dy] = [(x / size) * 38, (-y / size) * 38];
  const spread = ellipse(intent);
  return (
    <div class="row">
      <svg class="compass" viewBox="-50 -50 100 100" role="img" aria-label={`Velocity ${x.toFixed(2)}, ${y.toFixed(2)}`}>
        <circle r="46" class="ring" />
        {spread && (
          <ellipse class="spread" cx={dx} cy={dy} rx={spread.major} ry={spread.minor} transform={`rotate(${spread.turn} ${dx} ${dy})`} />
        )}
        <line x2={dx} y2={dy} class="arrow" />
      </svg>
      <dl>
        <dt>Velocity</dt>
        <dd class="number">{velocity.map((value) => value.toFixed(3)).join(", ")}</dd>
        {intent.position && (
          <>
            <dt>Position</dt>
            <dd class="number">{intent.position.map((value) => (value ?? 0).toFixed(3)).join(", ")}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

/** The covariance of the velocity as an ellipse, its directions and the share of its axes. */
function ellipse(intent: CursorIntent): { major: number; minor: number; turn: number } | null {
  const covariance = intent.covariance;
  if (!covariance || covariance.length < 2) return null;
  const at = (i: number, j: number) => Number(covariance[i]?.[j] ?? 0);
  const [a, b, d] = [at(0, 0), at(0, 1), at(1, 1)];
  const mean = (a + d) / 2;
  const spread = Math.hypot((a - d) / 2, b);
  if (!(mean + spread > 0)) return null;
  const major = 10;
  const minor = major * Math.sqrt(Math.max(0, (mean - spread) / (mean + spread)));
  return { major, minor: Math.max(minor, 0.5), turn: (-Math.atan2(2 * b, a - d) / 2) * (180 / Math.PI) };
}

/** The decoder's own words, as far as they are short. */
export function OwnState({ state }: { state: StateView | null }) {
  const entries = Object.entries(state?.decoder ?? {}).filter(
    ([, value]) => value === null || typeof value !== "object",
  );
  if (!entries.length) return null;
  return (
    <dl>
      {entries.map(([key, value]) => (
        <>
          <dt>{key.replaceAll("_", " ")}</dt>
          <dd class="number">{typeof value === "number" ? Number(value.toPrecision(5)) : String(value)}</dd>
        </>
      ))}
    </dl>
  );
}
