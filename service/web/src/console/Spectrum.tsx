// The amplitude spectrum of a channel as the decoder sees it, asked for while it is open.
import { useEffect, useState } from "preact/hooks";
import type uPlot from "uplot";
import { call, sentence } from "../shared/api";
import type { SpectrumView } from "../shared/wire";
import { powersOfTen, usePlot } from "../shared/usePlot";

const ASK_EVERY_MS = 2000;
const HEIGHT_PX = 150;
const COLOUR = "#3b82c4";

export function Spectrum({ session, live }: { session: string; live: boolean }) {
  const [open, setOpen] = useState(false);
  const [spectrum, setSpectrum] = useState<SpectrumView | null>(null);
  const [why, setWhy] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);

  useEffect(() => {
    if (!open || !live) return;
    let timer: number | undefined;
    let ended = false;
    const ask = async () => {
      try {
        const found = await call("get", "/v1/sessions/{id}/spectrum", { path: { id: session } });
        if (ended) return;
        setSpectrum(found);
        setWhy("");
      } catch (error) {
        if (!ended) setWhy(sentence(error));
      }
      if (!ended) timer = window.setTimeout(() => void ask(), ASK_EVERY_MS);
    };
    void ask();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [open, live, session]);

  const channel = spectrum?.channels.find((each) => each.label === chosen) ?? spectrum?.channels[0] ?? null;
  const amplitudes = channel?.amplitudes ?? null;
  const peak = spectrum && amplitudes ? peakOf(spectrum.freqs_hz, amplitudes) : null;
  return (
    <details class="card" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2 id="spectrum-title">Spectrum</h2>
      </summary>
      {why && <p class="bad">{why}</p>}
      {spectrum && channel && (
        <div data-spectrum-t={spectrum.t ?? ""} data-peak-hz={peak ?? ""}>
          <div class="row">
            <label>
              Channel
              <select value={channel.label} onChange={(event) => setChosen(event.currentTarget.value)}>
                {spectrum.channels.map((each) => (
                  <option key={each.label}>{each.label}</option>
                ))}
              </select>
            </label>
            <span class="soft">
              {amplitudes === null
                ? "samples are missing"
                : `${channel.unit} per root hertz, of the last ${spectrum.seconds.toFixed(1)} s${peak === null ? "" : `; most at ${peak.toFixed(2)} Hz`}`}
            </span>
          </div>
          {amplitudes !== null && amplitudes.length > 1 && <Curve freqsHz={spectrum.freqs_hz} amplitudes={amplitudes} label={channel.label} />}
        </div>
      )}
    </details>
  );
}

/** The frequency of most amplitude, the mean (0 Hz) left out. */
function peakOf(freqsHz: number[], amplitudes: number[]): number | null {
  let best = 1;
  for (let i = 2; i < amplitudes.length; i++) if (amplitudes[i]! > amplitudes[best]!) best = i;
  return freqsHz[best] ?? null;
}

function Curve({ freqsHz, amplitudes, label }: { freqsHz: number[]; amplitudes: number[]; label: string }) {
  // A logarithm has no zero.
  const data: uPlot.AlignedData = [freqsHz, amplitudes.map((amplitude) => amplitude || null)];
  const [place, plot] = usePlot(
    HEIGHT_PX,
    ({ stroke, grid }) => ({
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [
        { stroke, grid, ticks: grid, size: 30, values: (_, ticks) => ticks.map((tick) => `${tick} Hz`) },
        { stroke, grid, ticks: grid, size: 46, filter: powersOfTen },
      ],
      series: [{}, { stroke: COLOUR, width: 1.5 }],
    }),
    data,
  );
  useEffect(() => plot.current?.setData(data), [freqsHz, amplitudes]);
  return <div ref={place} class="chart spectrum" role="img" aria-label={`Amplitude spectrum of ${label}`} />;
}
