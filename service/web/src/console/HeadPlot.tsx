// The channels' quality where their electrodes lie, the head seen from above, nose up.
import type { QualityView } from "../shared/wire";
import { problems } from "./Scope";

const RADIUS = 100;
const ELECTRODE = 9;
/** Beyond this many, labels would cover each other. */
const MOST_LABELS = 40;
/** Least side of what is shown, and room around the electrodes in it. */
const LEAST_SIDE = 120;
const MARGIN = 24;
const WHOLE = 250;

/** Where an electrode lies, the head's middle being the origin. */
const placeOf = ([right, forward]: [number, number]): [number, number] => [right * RADIUS, -forward * RADIUS];

/** The square around all electrodes: few at the back of the head are drawn larger than many all over it. */
function viewOf(places: [number, number][]): string {
  const [left, right] = range(places.map(([x]) => x));
  const [top, bottom] = range(places.map(([, y]) => y));
  const side = Math.min(WHOLE, Math.max(LEAST_SIDE, 2 * MARGIN + Math.max(right - left, bottom - top)));
  const from = (low: number, high: number) => Math.max(-WHOLE / 2, Math.min(WHOLE / 2 - side, (low + high - side) / 2));
  return [from(left, right), from(top, bottom), side, side].map((each) => each.toFixed(1)).join(" ");
}

const range = (values: number[]): [number, number] => [Math.min(...values), Math.max(...values)];

/** Radius at which no two electrodes cover each other. */
function radiusFor(places: [number, number][]): number {
  const gaps = places.flatMap(([x, y], i) => places.slice(i + 1).map(([a, b]) => Math.hypot(x - a, y - b)));
  return Math.max(3, Math.min(ELECTRODE, ...gaps.map((gap) => 0.46 * gap)));
}

export function HeadPlot({ quality }: { quality: QualityView[] }) {
  const placed = quality.filter((channel) => channel.position !== null);
  if (!placed.length) return null;
  const bad = placed.filter((channel) => problems(channel).length > 0);
  const places = placed.map((channel) => placeOf(channel.position as [number, number]));
  const radius = radiusFor(places);
  const verdict = bad.length ? `bad: ${bad.map((channel) => channel.label).join(", ")}` : "all good";
  return (
    <svg class="head" viewBox={viewOf(places)} role="img" aria-label={`${placed.length} electrodes on the head, ${verdict}`} data-bad={bad.length}>
      <path class="outline" d="M -12 -99 L 0 -116 L 12 -99 M -99 -16 q -12 16 0 32 M 99 -16 q 12 16 0 32" />
      <circle class="outline" r={RADIUS} />
      {placed.map((channel, i) => {
        const [x, y] = places[i]!;
        const found = problems(channel);
        return (
          <g key={channel.label} transform={`translate(${x} ${y})`}>
            <title>{`${channel.label}: ${found.join(", ") || "good"}`}</title>
            {/* A square is bad whatever colours one sees. */}
            {found.length ? (
              <rect class="electrode bad" x={-radius} y={-radius} width={2 * radius} height={2 * radius} />
            ) : (
              <circle class="electrode" r={radius} />
            )}
            {placed.length <= MOST_LABELS && (
              <text class="electrode-label" style={{ fontSize: `${0.75 * radius}px` }} text-anchor="middle" dominant-baseline="central">
                {channel.label}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}
