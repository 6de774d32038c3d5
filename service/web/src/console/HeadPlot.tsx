// The channels' quality where their electrodes lie, the head seen from above, nose up.
import type { QualityView } from "../shared/wire";
import { problems } from "./Scope";

const RADIUS = 100;
const ELECTRODE = 9;
/** Beyond this many, labels would cover each other. */
const MOST_LABELS = 40;

export function HeadPlot({ quality }: { quality: QualityView[] }) {
  const placed = quality.filter((channel) => channel.position !== null);
  if (!placed.length) return null;
  const bad = placed.filter((channel) => problems(channel).length > 0);
  const verdict = bad.length ? `bad: ${bad.map((channel) => channel.label).join(", ")}` : "all good";
  return (
    <svg class="head" viewBox="-125 -125 250 250" role="img" aria-label={`${placed.length} electrodes on the head, ${verdict}`} data-bad={bad.length}>
      <path class="outline" d="M -12 -99 L 0 -116 L 12 -99 M -99 -16 q -12 16 0 32 M 99 -16 q 12 16 0 32" />
      <circle class="outline" r={RADIUS} />
      {placed.map((channel) => {
        const [right, forward] = channel.position!;
        const found = problems(channel);
        return (
          <g key={channel.label} transform={`translate(${right * RADIUS} ${-forward * RADIUS})`}>
            <title>{`${channel.label}: ${found.join(", ") || "good"}`}</title>
            {/* A square is bad whatever colours one sees. */}
            {found.length ? (
              <rect class="electrode bad" x={-ELECTRODE} y={-ELECTRODE} width={2 * ELECTRODE} height={2 * ELECTRODE} />
            ) : (
              <circle class="electrode" r={ELECTRODE} />
            )}
            {placed.length <= MOST_LABELS && (
              <text class="electrode-label" text-anchor="middle" dominant-baseline="central">
                {channel.label}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}
