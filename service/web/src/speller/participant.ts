// The session of a simulated participant: a preset's, for their stream, with as many targets as were
// chosen.
import { parse } from "yaml";
import { call } from "../shared/api";
import type { SessionBody, SessionFor } from "../shared/useSimulatedPerson";
import { keyOf, SMALLER } from "./layout";

const PRESET = "fbcca-40";
export const ALL_TARGETS = 40;
const FOR_FEW_TARGETS = "CAB";
/** Without a calibration: it decides as soon as its confidence is this, and says nothing where it never is. */
const STOPPING = { rule: "confidence", threshold: 0.9, min_s: 0.5, step_s: 0.25 };

export async function sessionWith(nTargets: number): Promise<SessionFor> {
  const { presets } = await call("get", "/v1/presets");
  const preset = presets.find((each) => each.name === PRESET);
  if (!preset) throw new Error(`the service has no preset ${PRESET}`);
  const config = parse(preset.text, { version: "1.1" }) as Record<string, unknown>;
  delete config["markers"]; // they come from this page
  const decoder = config["decoder"] as { targets: { label: string }[] };
  const few = SMALLER[nTargets];
  const targets = few ? decoder.targets.filter(({ label }) => few.includes(label)) : decoder.targets;
  return (person) => {
    const stream = { ...(config["stream"] as object), source_id: person.source_id };
    return { ...config, stream, decoder: { ...decoder, targets, stopping: STOPPING } } as unknown as SessionBody;
  };
}

/** Give the phrase if these targets can write it, and else one that they can. */
export function writable(phrase: string, nTargets: number): string {
  const few = SMALLER[nTargets];
  return !few || [...phrase.toUpperCase()].every((each) => few.includes(keyOf(each))) ? phrase : FOR_FEW_TARGETS;
}
