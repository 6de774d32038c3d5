// Which targets the screen shows: those of the session's decoder, so that both speak of the same.
// Forty lie in five rows of eight; phases follow the joint frequency and phase modulation of Chen et
// al. (PNAS 112:E6058, 2015): half a pi for each fifth of a hertz above 8 Hz.
import type { Hello } from "../shared/wire";

export interface Flicker {
  label: string;
  freqHz: number;
  phaseRad: number;
}

export interface Layout {
  rows: number;
  columns: number;
  targets: Flicker[];
  /** The marker that tells the decoder of an onset; null where it decides by itself. */
  onsetMarker: string | null;
  /** Seconds from the onset to the first moment at which its decision may come, and to the last. */
  soonestS: number;
  longestS: number;
  /** The latency of vision: the window begins this long after the onset. */
  delayS: number;
}

const FIRST_HZ = 8;
const STEP_HZ = 0.2;
const KEYS: Record<string, string> = { space: " ", comma: ",", dot: "." };
export const BACKSPACE = "backspace";

export function layoutOf(config: Hello["config"]): Layout | null {
  const decoder = config.decoder as unknown as Record<string, unknown>;
  const given = decoder["targets"];
  if (!Array.isArray(given) || !given.length) return null;
  const targets: Flicker[] = [];
  for (const each of given as { label?: unknown; freq_hz?: unknown }[]) {
    if (typeof each.label !== "string" || typeof each.freq_hz !== "number") return null;
    const step = Math.round((each.freq_hz - FIRST_HZ) / STEP_HZ);
    targets.push({ label: each.label, freqHz: each.freq_hz, phaseRad: (0.5 * Math.PI * (((step % 4) + 4) % 4)) });
  }
  const columns = targets.length === 40 ? 8 : Math.ceil(Math.sqrt(targets.length));
  const number = (key: string, other: number) => (typeof decoder[key] === "number" ? (decoder[key] as number) : other);
  const markers = decoder["onset_markers"];
  const stopping = decoder["stopping"] as Record<string, unknown> | null | undefined;
  const [windowS, delayS] = [number("window_s", 2), number("delay_s", 0)];
  const marked = decoder["trigger"] === "markers" && Array.isArray(markers);
  return {
    rows: Math.ceil(targets.length / columns),
    columns,
    targets,
    onsetMarker: marked ? String(markers[0]) : null,
    soonestS: (typeof stopping?.["min_s"] === "number" ? stopping["min_s"] : windowS) + delayS,
    longestS: windowS + delayS,
    delayS,
  };
}

/** Smaller sets of the forty, for a calibration that is soon done; all can take back what is wrong. */
export const SMALLER: Record<number, string[]> = {
  4: ["A", "B", "C", BACKSPACE],
  8: ["A", "B", "C", "D", "E", "F", "G", BACKSPACE],
  12: ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "space", BACKSPACE],
};

/** A flicker's place among the forty of a simulated person, which lie in rows of eight. */
export function placeAmongForty(freqHz: number): number {
  const step = Math.round((freqHz - FIRST_HZ) / STEP_HZ);
  return (step % 5) * 8 + Math.floor(step / 5);
}

/** What a target writes; null for the one that takes back. */
export function written(label: string): string | null {
  return label === BACKSPACE ? null : (KEYS[label] ?? label);
}

export function keyOf(character: string): string {
  return Object.entries(KEYS).find(([, key]) => key === character)?.[0] ?? character;
}

export function shown(label: string): string {
  return { space: "␣", comma: ",", dot: ".", backspace: "⌫" }[label] ?? label;
}
