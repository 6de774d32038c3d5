// What was done the last time on this computer, so that the next time is one click. It stays in the
// browser: nothing of it leaves this machine.
import { isPlain } from "../shared/form/schema";
import type { PersonKind, SessionBody } from "../shared/useSimulatedPerson";

export interface Last {
  way: string;
  config: SessionBody;
  /** Name of the headset. */
  headset: string;
  /** The kind of the simulated person who wore it; null where nobody was simulated. */
  person: PersonKind | null;
}

const KEY = "volition-last";

export function remember(last: Last): void {
  localStorage.setItem(KEY, JSON.stringify(last));
}

export function forget(): void {
  localStorage.removeItem(KEY);
}

/** Give what is remembered; null where nothing is, or nothing that can be read. */
export function recalled(): Last | null {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    const known = isPlain(read) && typeof read["way"] === "string" && isPlain(read["config"]) && typeof read["headset"] === "string" && "person" in read;
    return known ? (read as unknown as Last) : null;
  } catch {
    return null;
  }
}
