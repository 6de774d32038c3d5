// Latency by step as a strip chart: the middle of each step's recent times, once a second.
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import type { StateView } from "../shared/wire";
import { powersOfTen, usePlot } from "../shared/usePlot";

export const STEPS = ["lsl", "stages", "decoder", "encode", "bus"] as const;
const COLOURS = ["#3b82c4", "#c98a00", "#2f9e6b", "#b565c9", "#d05a4e"];
const DASHES = [[], [8, 3], [2, 3], [8, 3, 2, 3], [4, 4]];
const KEPT = 120;
const HEIGHT_PX = 120;

type Latency = StateView["latency_ms"];

function value(latency: Latency, step: string, which: string): number | null {
  return latency?.[step]?.[which] ?? null;
}

export function LatencyChart({ state }: { state: StateView | null }) {
  const rows = useRef<(number | null)[][]>([[], ...STEPS.map(() => [])]);
  const [place, plot] = usePlot(
    HEIGHT_PX,
    ({ stroke, grid }) => ({
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [
        { show: false },
        { stroke, grid, ticks: grid, size: 46, filter: powersOfTen, values: (_, ticks) => ticks.map((t) => (t ? `${t}` : "")) },
      ],
      series: [
        {},
        ...STEPS.map((label, i) => ({ label, stroke: COLOURS[i]!, dash: DASHES[i]!, width: 1.5, spanGaps: true })),
      ],
    }),
    rows.current as uPlot.AlignedData,
  );

  useEffect(() => {
    if (!state || !state.fresh) return;
    const data = rows.current;
    data[0]!.push(state.lsl_time);
    STEPS.forEach((step, i) => data[i + 1]!.push(value(state.latency_ms, step, "p50") || null));
    for (const row of data) if (row.length > KEPT) row.shift();
    plot.current?.setData(data as uPlot.AlignedData);
  }, [state]);

  return (
    <div>
      <div ref={place} class="chart" role="img" aria-label="Latency by step, milliseconds, the last minute" />
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col" class="number">
              p50 ms
            </th>
            <th scope="col" class="number">
              p99 ms
            </th>
          </tr>
        </thead>
        <tbody>
          {STEPS.map((step, i) => (
            <tr key={step}>
              <th scope="row">
                <svg class="swatch" viewBox="0 0 24 4" aria-hidden="true">
                  <line x1="0" x2="24" y1="2" y2="2" stroke={COLOURS[i]} stroke-width="3" stroke-dasharray={DASHES[i]!.join(" ")} />
                </svg>{" "}
                {step}
              </th>
              <td class="number">{show(state, step, "p50")}</td>
              <td class="number">{show(state, step, "p99")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function show(state: StateView | null, step: string, which: string): string {
  const found = state ? value(state.latency_ms, step, which) : null;
  return found === null ? "–" : found.toFixed(found < 10 ? 2 : 0);
}
