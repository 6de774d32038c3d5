// The simulated person whose signal a session decodes, if it is one's: the page goes on showing them
// the screen. A page can start a person together with a session for them.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, sentence } from "./api";
import { tell } from "./notices";
import type { Hello, SimulationView } from "./wire";

export type SessionBody = NonNullable<NonNullable<Parameters<typeof call<"/v1/sessions", "post">>[2]>["body"]>;

/** The configuration of a session for a person. */
export type SessionFor = (person: SimulationView) => SessionBody;

export interface SimulatedPerson {
  /** Null where nobody is simulated. */
  id: string | null;
  starting: boolean;
  /** Start a person, and a session for them; of the page's first kind when none is given. */
  start(sessionFor: SessionFor | Promise<SessionFor>, kind?: PersonKind, day?: number): Promise<void>;
  /** Show them the screen no longer. */
  forget(): void;
}

export type PersonKind = SimulationView["kind"];

/**
 * `kinds` are those that a page shows its screen to; `onSession` is given the session that was made for
 * a person, `onFound` the person who is found.
 */
export function useSimulatedPerson(
  kinds: PersonKind[],
  hello: Hello | null,
  onSession: (id: string) => void,
  onFound?: (person: SimulationView) => void,
): SimulatedPerson {
  const [id, setId] = useState<string | null>(null);
  const [starting, setStarting] = useState(false);
  useEffect(() => {
    const source = hello?.config.stream.source_id;
    if (!source) return;
    call("get", "/v1/simulations")
      .then(({ simulations }) => {
        const found = simulations.find((each) => each.source_id === source && kinds.includes(each.kind));
        if (found) onFound?.(found);
        setId(found?.id ?? null);
      })
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [hello]);

  const start = async (sessionFor: SessionFor | Promise<SessionFor>, kind: PersonKind = kinds[0]!, day = 0) => {
    setStarting(true);
    try {
      const made = await sessionFor;
      const person = await call("post", "/v1/simulations", { body: { kind, day } });
      onFound?.(person);
      const session = await call("post", "/v1/sessions", { body: made(person) });
      setId(person.id);
      onSession(session.id);
      tell("good", `${person.about}: ${person.id}`);
    } catch (error) {
      tell("bad", sentence(error));
    } finally {
      setStarting(false);
    }
  };
  const forget = useCallback(() => setId(null), []);
  return { id, starting, start, forget };
}
