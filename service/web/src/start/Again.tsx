// The next time: one click to what was done the last time on this computer.
import { useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import type { SessionBody } from "../shared/useSimulatedPerson";
import { forget, recalled, type Last } from "./last";
import { WAYS } from "./ways";

export function Again() {
  const [last, setLast] = useState(recalled);
  const [going, setGoing] = useState(false);
  const way = WAYS.find((each) => each.name === last?.way);
  if (last === null || way === undefined) return null;

  const go = async () => {
    setGoing(true);
    try {
      const made = await call("post", "/v1/sessions", { body: await configOf(last) });
      location.assign(`./${way.page}#${encodeURIComponent(made.id)}`);
    } catch (error) {
      tell("bad", `It could not begin: ${sentence(error)}`);
      setGoing(false);
    }
  };
  return (
    <section class="card" aria-labelledby="again-title">
      <h2 id="again-title">As the last time</h2>
      <div class="row">
        <button class="main" disabled={going} onClick={() => void go()}>
          {going ? "Beginning…" : `${way.title}, with ${last.headset}`}
        </button>
        <button
          onClick={() => {
            forget();
            setLast(null);
          }}
        >
          Forget it
        </button>
      </div>
    </section>
  );
}

/** A simulated person comes anew, with a stream of a new name. */
async function configOf({ config, person }: Last): Promise<SessionBody> {
  if (person === null) return config;
  const made = await call("post", "/v1/simulations", { body: { kind: person, day: 0 } });
  return { ...config, stream: { ...config.stream, source_id: made.source_id } } as SessionBody;
}
