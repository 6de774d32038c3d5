// Who trains: the person at the headset, or a simulated one.
import { useState } from "preact/hooks";
import { NumberInput } from "../shared/NumberInput";
import type { PersonHandle } from "./usePerson";

export function Person({ person, decoder, busy }: { person: PersonHandle; decoder: object | undefined; busy: boolean }) {
  const [day, setDay] = useState(0);
  const [nClasses, setNClasses] = useState(2);
  const model = (decoder as { model?: string | null } | undefined)?.model ?? null;
  return (
    <section class="card" aria-labelledby="person-title">
      <h2 id="person-title">Who trains</h2>
      <p class="soft">{person.shown ? "A simulated person, who imagines what this page asks for." : "The person at the headset of the session."}</p>
      <div class="row">
        <label>
          Day
          <NumberInput min={0} max={1000} value={day} disabled={busy} onValue={setDay} />
        </label>
        <label>
          Classes
          <select value={String(nClasses)} disabled={busy || model !== null} onChange={(event) => setNClasses(Number(event.currentTarget.value))}>
            <option value="2">left, right</option>
            <option value="4">left, right, feet, both hands</option>
          </select>
        </label>
        <button disabled={busy || person.starting} onClick={() => person.start(day, nClasses, model === null ? undefined : decoder)}>
          {person.starting ? "Starting…" : "Simulated person"}
        </button>
      </div>
      {model !== null && <p class="soft">Another day keeps {model}: see whether it still holds.</p>}
    </section>
  );
}
