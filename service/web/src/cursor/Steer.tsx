// Who steers, and with how much assist.
import type { SessionBody, SimulatedPerson } from "../shared/useSimulatedPerson";
import type { SimulationView } from "../shared/wire";
import type { Control } from "./steering";
import type { SteeringHandle } from "./useSteering";

export function Steer({ steer, session, person, calibrating }: { steer: SteeringHandle; session: string | null; person: SimulatedPerson; calibrating: boolean }) {
  return (
    <section class="card" aria-labelledby="steer-title">
      <h2 id="steer-title">Who steers</h2>
      <div class="row">
        <select aria-label="Control" value={steer.control} disabled={calibrating} onChange={(event) => steer.setControl(event.currentTarget.value as Control)}>
          <option value="mouse">Mouse (control condition)</option>
          <option value="keys">Arrow keys</option>
          <option value="session">The session's intents</option>
        </select>
        <button onClick={() => void person.start(sessionFor)} disabled={person.starting || calibrating}>
          {person.starting ? "Starting…" : "Simulated participant"}
        </button>
      </div>
      {steer.control === "session" && (
        <p class="soft">
          {session === null ? "Choose a session in the console, or try the simulated participant." : `Session ${session}`}
          {person.id && ", steered by a simulated person who sees this screen"}
        </p>
      )}
      <label class="soft">
        Assist
        <input type="range" min="0" max="100" step="5" value={steer.assist * 100} onInput={(event) => steer.setAssist(Number(event.currentTarget.value) / 100)} />
        {Math.round(steer.assist * 100)} %
      </label>
    </section>
  );
}

/** A simulated participant brings the decoder that was fitted to them. */
const sessionFor = (person: SimulationView) =>
  ({ stream: { type: "Features", source_id: person.source_id }, decoder: person.decoder }) as unknown as SessionBody;
