// A simulated person who imagines what the page asks for, on any day, and a session for them.
import { useState } from "preact/hooks";
import { useSimulatedPerson, type SessionBody } from "../shared/useSimulatedPerson";
import type { Hello, SimulationView } from "../shared/wire";

export interface PersonHandle {
  /** Null where nobody is simulated. */
  shown: { id: string; classes: readonly string[] } | null;
  starting: boolean;
  /** Begin with a person on a day who is asked for the first `nClasses`, and with the decoder's settings where some are kept. */
  start(day: number, nClasses: number, decoder: object | undefined): void;
}

/** Quick, for a person who imagines plainly. */
const DECODER = {
  kind: "tangent",
  trigger: "sliding",
  delay_s: 0.4,
  window_s: 1,
  step_s: 0.1,
  evidence: { share: 0.3, threshold: 0.25, hold_s: 0.2, refractory_s: 0.6 },
};

export function usePerson(hello: Hello | null, onSession: (id: string) => void): PersonHandle {
  const [classes, setClasses] = useState<readonly string[]>([]);
  const person = useSimulatedPerson(["imagery"], hello, onSession, (found) => setClasses(found.classes));
  const start = (day: number, nClasses: number, decoder: object | undefined) => {
    const sessionFor = (made: SimulationView) =>
      ({
        stream: { source_id: made.source_id },
        decoder: decoder ?? { ...DECODER, classes: made.classes.slice(0, nClasses) },
      }) as unknown as SessionBody;
    void person.start(sessionFor, "imagery", day);
  };
  return { shown: person.id === null ? null : { id: person.id, classes }, starting: person.starting, start };
}
