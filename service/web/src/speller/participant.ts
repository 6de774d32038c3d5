// The session of a simulated participant: a preset's, for their stream, with as many targets as were
// chosen. What flickers is decoded at once, by FBCCA; what flashes by a decoder that learns from the
// signal alone, until a calibration puts a better one in its place.
import { parse } from "yaml";
import { call } from "../shared/api";
import type { PersonKind, SessionBody, SessionFor } from "../shared/useSimulatedPerson";
import { SMALLER, targetFor } from "./layout";

/** What a simulated participant is shown. */
export const SCREENS = { flicker: "flicker", rowcol: "rows and columns", checkerboard: "checkerboard", rsvp: "letter after letter", noisetag: "noise tags" } as const;
export type Screen = keyof typeof SCREENS;

const PRESETS: Record<Screen, string> = { flicker: "fbcca-40", rowcol: "erp-rowcol", checkerboard: "erp-rowcol", rsvp: "erp-rsvp", noisetag: "erp-rowcol" };
export const ALL_TARGETS = 40;
const FOR_FEW_TARGETS = "CAB";
/** Without a calibration: it decides as soon as its confidence is this, and says nothing where it never is. */
const STOPPING = { rule: "confidence", threshold: 0.9, min_s: 0.5, step_s: 0.25 };
/** The same of flashes; it looks at all that was heard once a second. */
const LEARNING = { kind: "reconvolution", learning: "unsupervised", stopping: { rule: "posterior", threshold: 0.9 }, min_s: 2, step_s: 1 };
/** Responses to rare flashes are late and slow. */
const OF_RARE = { events: ["rise"], response_s: 0.6, low_hz: 0.5, high_hz: 15, max_s: 12 };
const OF_TAGS = { step_hz: 60, max_s: 8.4 };

export const personOf = (screen: Screen): PersonKind => (screen === "flicker" ? "speller" : "flashes");

export async function sessionWith(screen: Screen, nTargets: number): Promise<SessionFor> {
  const { presets } = await call("get", "/v1/presets");
  const preset = presets.find((each) => each.name === PRESETS[screen]);
  if (!preset) throw new Error(`the service has no preset ${PRESETS[screen]}`);
  const config = parse(preset.text, { version: "1.1" }) as Record<string, unknown>;
  delete config["markers"]; // they come from this page
  const decoder = screen === "flicker" ? flickering(config["decoder"], nTargets) : flashing(config["decoder"], screen, nTargets);
  return (person) => {
    const stream = { ...(config["stream"] as object), source_id: person.source_id };
    return { ...config, stream, decoder } as unknown as SessionBody;
  };
}

function flickering(given: unknown, nTargets: number) {
  const decoder = given as { targets: { label: string }[] };
  const few = SMALLER[nTargets];
  const targets = few ? decoder.targets.filter(({ label }) => few.includes(label)) : decoder.targets;
  return { ...decoder, targets, stopping: STOPPING };
}

function flashing(given: unknown, screen: Screen, nTargets: number) {
  const items = SMALLER[nTargets] ?? (given as { book: { items: string[] } }).book.items;
  if (screen === "noisetag") return { ...LEARNING, ...OF_TAGS, book: { items, code: { kind: "modulated_gold" } } };
  const code = screen === "rsvp" ? { kind: screen } : { kind: screen, columns: Math.ceil(Math.sqrt(items.length)) };
  return { ...LEARNING, ...OF_RARE, book: { items, code } };
}

/** Give the phrase if these targets can write it, and else one that they can. */
export function writable(phrase: string, nTargets: number): string {
  const few = SMALLER[nTargets];
  return !few || [...phrase.toUpperCase()].every((each) => targetFor(few, each) >= 0) ? phrase : FOR_FEW_TARGETS;
}
