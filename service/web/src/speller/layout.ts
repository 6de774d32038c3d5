// Which targets the screen shows: those of the session's decoder, so that both speak of the same.
// Forty that flicker lie in five rows of eight; phases follow the joint frequency and phase modulation
// of Chen et al. (PNAS 112:E6058, 2015): half a pi for each fifth of a hertz above 8 Hz.
import type { CodeBookView, Hello } from "../shared/wire";
import { Codes } from "./codes";
import { Sinusoids, type Sinusoid } from "./sinusoids";
import type { Stimulus } from "./stimulus";

export interface Layout {
  rows: number;
  columns: number;
  labels: string[];
  stimulus: Stimulus;
  /** The marker that tells the decoder of an onset; null where it decides by itself. */
  onsetMarker: string | null;
  /** The one that says that no more is shown, where the decoder knows one. */
  endMarker: string | null;
  /** Seconds from the onset to the first moment at which its decision may come, and to the last. */
  soonestS: number;
  longestS: number;
  /** The latency of vision: the window begins this long after the onset. */
  delayS: number;
  /** Language whose words the decoder knows, so that it keeps the text itself; null where it knows none. */
  language: string | null;
}

const FIRST_HZ = 8;
const STEP_HZ = 0.2;
/** Signal after the last flash that a decision may need. */
const TAIL_S = 1;
const KEYS: Record<string, string> = { space: " ", _: " ", comma: ",", dot: "." };
const SIGNS: Record<string, string> = { space: "␣", _: "␣", comma: ",", dot: ".", backspace: "⌫", "<": "⌫" };
export const BACKSPACE = "backspace";
const TAKES_BACK = new Set([BACKSPACE, "<"]);

export function layoutOf(config: Hello["config"]): Layout | null {
  const decoder = config.decoder as unknown as Record<string, unknown>;
  const given = decoder["targets"];
  if (!Array.isArray(given) || !given.length) return null;
  const labels: string[] = [];
  const sinusoids: Sinusoid[] = [];
  for (const each of given as { label?: unknown; freq_hz?: unknown }[]) {
    if (typeof each.label !== "string" || typeof each.freq_hz !== "number") return null;
    const step = Math.round((each.freq_hz - FIRST_HZ) / STEP_HZ);
    labels.push(each.label);
    sinusoids.push({ freqHz: each.freq_hz, phaseRad: 0.5 * Math.PI * (((step % 4) + 4) % 4) });
  }
  const number = (key: string, other: number) => (typeof decoder[key] === "number" ? (decoder[key] as number) : other);
  const markers = decoder["onset_markers"];
  const stopping = decoder["stopping"] as Record<string, unknown> | null | undefined;
  const [windowS, delayS] = [number("window_s", 2), number("delay_s", 0)];
  const marked = decoder["trigger"] === "markers" && Array.isArray(markers);
  return {
    ...gridOf(labels.length, labels.length === 40 ? 8 : null),
    labels,
    stimulus: new Sinusoids(sinusoids),
    onsetMarker: marked ? String(markers[0]) : null,
    endMarker: null,
    soonestS: (typeof stopping?.["min_s"] === "number" ? stopping["min_s"] : windowS) + delayS,
    longestS: windowS + delayS,
    delayS,
    language: null,
  };
}

/** The layout of a decoder of coded items, by its code book; `words` are its settings of words. */
export function layoutOfBook(book: CodeBookView, words: unknown): Layout {
  return {
    ...gridOf(book.items.length, book.columns),
    labels: book.items,
    stimulus: new Codes(book),
    onsetMarker: book.onset_markers[0]!,
    endMarker: book.end_markers[0] ?? null,
    soonestS: book.min_s,
    longestS: book.max_s + TAIL_S,
    delayS: 0,
    language: words ? String((words as { language?: string }).language ?? "en") : null,
  };
}

function gridOf(n: number, given: number | null): { rows: number; columns: number } {
  const columns = given ?? Math.ceil(Math.sqrt(n));
  return { rows: Math.ceil(n / columns), columns };
}

/** Smaller sets of targets, for a calibration that is soon done; all can take back what is wrong. */
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
  return TAKES_BACK.has(label) ? null : (KEYS[label] ?? label);
}

/** The target that writes a character (null: that takes one back); -1 where there is none. */
export function targetFor(labels: string[], character: string | null): number {
  return labels.findIndex((label) => written(label) === character);
}

export const shown = (label: string) => SIGNS[label] ?? label;
