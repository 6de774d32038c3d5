// What was done the last time on this computer, so that the next time is one click. It stays in the
// browser: nothing of it leaves this machine.
import { isPlain } from "../shared/form/schema";
import { keep, kept } from "../shared/kept";
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

const isLast = (read: unknown): read is Last =>
  isPlain(read) && typeof read["way"] === "string" && isPlain(read["config"]) && typeof read["headset"] === "string" && "person" in read;

export const remember = (last: Last): void => keep(KEY, last);

export const forget = (): void => keep(KEY, null);

/** Give what is remembered; null where nothing is, or nothing that can be read. */
export const recalled = (): Last | null => kept(KEY, isLast);
