// The live signal, and what is wrong with each of its channels.
import { useEffect, useRef, useState } from "preact/hooks";
import { useSeen } from "../shared/drawing";
import type { QualityView, SignalHello } from "../shared/wire";
import { SignalSocket } from "./signal";
import { SPAN_S, Sweep, type Colours } from "./sweep";

const SCALES = [5, 10, 20, 50, 100, 200, 500];

function coloursNow(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return { back: of("--card"), trace: of("--trace"), line: of("--line"), text: of("--text") };
}

export function Scope(props: { session: string; quality: QualityView[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const sweep = useRef<Sweep | null>(null);
  const [source, setSource] = useState<SignalHello["source"]>("cleaned");
  const [hello, setHello] = useState<SignalHello | null>(null);
  const [scale, setScale] = useState(50);
  const [moving, setMoving] = useState(false);
  const seen = useSeen();

  useEffect(() => {
    if (!seen) return;
    const element = canvas.current!;
    let colours = coloursNow(element);
    const drawn = new Sweep(element, () => colours, setScale);
    sweep.current = drawn;
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => {
      colours = coloursNow(element);
      drawn.refresh();
    };
    theme.addEventListener("change", recolour);
    let last = 0;
    const watch = setInterval(() => setMoving(performance.now() - last < 1500), 500);
    const socket = new SignalSocket(props.session, source, {
      signal(message) {
        setHello(message);
        drawn.begin(message.labels);
      },
      bins(bins) {
        last = performance.now();
        drawn.add(bins);
        element.dataset["bins"] = String(Number(element.dataset["bins"] ?? 0) + bins.times.length);
      },
      lost: () => setMoving(false),
    });
    return () => {
      socket.close();
      drawn.stop();
      clearInterval(watch);
      theme.removeEventListener("change", recolour);
      setHello(null);
    };
  }, [props.session, source, seen]);

  const unit = hello?.units[0] === "microvolts" ? "µV" : (hello?.units[0] ?? "");
  const bad = props.quality.filter((channel) => problems(channel).length > 0);
  return (
    <section class="card scope" aria-labelledby="scope-title">
      <div class="row">
        <h2 id="scope-title" class="grow">
          Signal{" "}
          {hello && (
            <span class="soft">
              {hello.labels.length} channels, {hello.rate_hz} Hz
            </span>
          )}
        </h2>
        <span class={`badge ${moving ? "good" : "warn"}`}>{moving ? "live" : "no samples"}</span>
        <label>
          Show
          <select
            value={source}
            onChange={(event) => setSource(event.currentTarget.value as SignalHello["source"])}
          >
            <option value="cleaned">cleaned</option>
            <option value="raw">raw</option>
          </select>
        </label>
        <label>
          Row
          <select
            onChange={(event) => {
              const value = event.currentTarget.value;
              sweep.current?.setScale(value === "auto" ? null : Number(value));
              if (value !== "auto") setScale(Number(value));
            }}
          >
            <option value="auto">±{scale} {unit} (fitted)</option>
            {SCALES.map((each) => (
              <option key={each} value={each}>
                ±{each} {unit}
              </option>
            ))}
          </select>
        </label>
      </div>
      <canvas
        ref={canvas}
        class="sweep"
        role="img"
        aria-label={`The last ${SPAN_S} seconds of ${hello?.labels.length ?? 0} channels; ${
          bad.length ? `${bad.length} of them are bad` : "none is bad"
        }`}
      />
    </section>
  );
}

/** What is wrong with a channel, in words. */
export function problems(channel: QualityView): string[] {
  const found: string[] = [];
  if (channel.flat) found.push("flat");
  if (channel.saturated) found.push("saturated");
  if (channel.missing > 0.05) found.push(`${Math.round(channel.missing * 100)} % missing`);
  if (channel.line_noise > 0.5) found.push("mains hum");
  return found;
}

export function Quality(props: { quality: QualityView[] }) {
  if (!props.quality.length) return <p class="soft">Nothing is known of the channels yet.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Quality of each channel">
      <table>
        <thead>
          <tr>
            <th scope="col">Channel</th>
            <th scope="col">Verdict</th>
            <th scope="col" class="number">
              RMS
            </th>
            <th scope="col" class="number">
              Hum
            </th>
          </tr>
        </thead>
        <tbody>
          {props.quality.map((channel) => {
            const found = problems(channel);
            return (
              <tr key={channel.label}>
                <th scope="row">{channel.label}</th>
                <td class={found.length ? "bad" : "good"}>{found.join(", ") || "good"}</td>
                <td class="number">{channel.rms.toFixed(1)}</td>
                <td class="number">{Math.round(channel.line_noise * 100)} %</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
