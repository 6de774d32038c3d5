// How well a model decoded the trials that were left out of its fit: figures, accuracy and bits a
// minute by length of the window, and what was taken for what.
import { useEffect } from "preact/hooks";
import type uPlot from "uplot";
import { percent } from "../words";
import { usePlot } from "../usePlot";

const HEIGHT_PX = 170;
/** At most this share of the accent's colour, in percent, so that figures upon it can be read. */
const MOST_SHADE = 35;
const ACCURACY = "#3b82c4";
const RATE = "#c98a00";

interface ByWindow {
  window_s: number;
  accuracy: number;
  interval: [number, number];
  itr_bits_per_min: number;
}

interface Known {
  accuracy?: number;
  interval?: [number, number];
  chance?: number;
  itr_bits_per_min?: number;
  n_trials?: number;
  suggested_window_s?: number;
  suggested_min_confidence?: number;
  selected_at_rest?: number | null;
  by_window?: ByWindow[];
  labels?: string[];
  confusion?: number[][];
}

export function Scores({ scores }: { scores: Record<string, unknown> }) {
  const known = scores as Known;
  return (
    <>
      <dl>
        {known.accuracy !== undefined && (
          <>
            <dt>Accuracy, left-out trials</dt>
            <dd data-accuracy={known.accuracy}>
              {percent(known.accuracy)}
              {known.interval && ` (95 %: ${percent(known.interval[0])} to ${percent(known.interval[1])})`}
              {known.n_trials !== undefined && ` of ${known.n_trials}`}
              {known.chance !== undefined && `; by chance ${percent(known.chance)}`}
            </dd>
          </>
        )}
        {known.itr_bits_per_min !== undefined && (
          <>
            <dt>Bits a minute</dt>
            <dd>{known.itr_bits_per_min.toFixed(1)}</dd>
          </>
        )}
        {known.suggested_window_s !== undefined && (
          <>
            <dt>Suggested window</dt>
            <dd>{known.suggested_window_s} s</dd>
          </>
        )}
        {known.suggested_min_confidence !== undefined && (
          <>
            <dt>Suggested confidence</dt>
            <dd>
              {known.suggested_min_confidence.toFixed(2)}
              {known.selected_at_rest != null && `, at which ${percent(known.selected_at_rest)} of rest is selected`}
            </dd>
          </>
        )}
      </dl>
      {known.by_window && known.by_window.length > 0 && <Windows rows={known.by_window} suggested={known.suggested_window_s ?? null} />}
      {known.labels && known.confusion && <Confusion labels={known.labels} counts={known.confusion} />}
    </>
  );
}

function Windows({ rows, suggested }: { rows: ByWindow[]; suggested: number | null }) {
  const data: uPlot.AlignedData = [
    rows.map((row) => row.window_s),
    rows.map((row) => 100 * row.accuracy),
    rows.map((row) => 100 * row.interval[1]),
    rows.map((row) => 100 * row.interval[0]),
    rows.map((row) => row.itr_bits_per_min),
  ];
  const [place, plot] = usePlot(
    HEIGHT_PX,
    ({ stroke, grid }) => ({
      scales: {
        x: { time: false, range: (_, least, most) => [least - 0.1, most + 0.1] },
        y: { range: [0, 100] },
        rate: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
      },
      axes: [
        { stroke, grid, ticks: grid, label: "window, s", labelSize: 18, size: 30 },
        { stroke, grid, ticks: grid, size: 46, values: (_, ticks) => ticks.map((tick) => `${tick} %`) },
        { stroke, grid: { show: false }, ticks: grid, side: 1, scale: "rate", size: 46 },
      ],
      series: [
        {},
        { stroke: ACCURACY, width: 2, points: { show: true, size: 7, fill: ACCURACY } },
        { stroke: "transparent", points: { show: false } },
        { stroke: "transparent", points: { show: false } },
        { scale: "rate", stroke: RATE, width: 2, dash: [6, 4], points: { show: true, size: 7, fill: RATE } },
      ],
      bands: [{ series: [2, 3], fill: `${ACCURACY}40` }],
    }),
    data,
  );
  useEffect(() => plot.current?.setData(data), [rows]);
  return (
    <>
      <h3>By length of the window</h3>
      <div ref={place} class="chart windows" role="img" aria-label="Accuracy with its 95 % interval, and bits a minute, by length of the window" />
      <table>
        <thead>
          <tr>
            <th scope="col">Window, s</th>
            <th scope="col" class="number">
              <Swatch colour={ACCURACY} dash="" /> Accuracy (95 %)
            </th>
            <th scope="col" class="number">
              <Swatch colour={RATE} dash="6 4" /> Bits a minute
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.window_s}>
              <th scope="row">
                {row.window_s}
                {row.window_s === suggested && " (suggested)"}
              </th>
              <td class="number">
                {percent(row.accuracy)} ({percent(row.interval[0])} to {percent(row.interval[1])})
              </td>
              <td class="number">{row.itr_bits_per_min.toFixed(1)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Swatch({ colour, dash }: { colour: string; dash: string }) {
  return (
    <svg class="swatch" viewBox="0 0 24 4" aria-hidden="true">
      <line x1="0" x2="24" y1="2" y2="2" stroke={colour} stroke-width="3" stroke-dasharray={dash} />
    </svg>
  );
}

function Confusion({ labels, counts }: { labels: string[]; counts: number[][] }) {
  return (
    <details open={labels.length <= 12}>
      <summary>What was taken for what</summary>
      <div class="heat" tabIndex={0} role="region" aria-label="Confusion matrix">
        <table>
          <caption class="visually-hidden">Rows: what was asked for. Columns: what was decoded.</caption>
          <thead>
            <tr>
              <th scope="col">asked ↓ decoded →</th>
              {labels.map((label) => (
                <th key={label} scope="col" class="number">
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {labels.map((label, i) => {
              const row = counts[i] ?? [];
              const all = Math.max(1, row.reduce((sum, n) => sum + n, 0));
              return (
                <tr key={label}>
                  <th scope="row">{label}</th>
                  {row.map((n, j) => (
                    <td
                      key={j}
                      class={`number ${i === j ? "right" : ""}`}
                      style={{ backgroundColor: `color-mix(in srgb, var(--accent) ${Math.round((MOST_SHADE * n) / all)}%, transparent)` }}
                    >
                      {n}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}
