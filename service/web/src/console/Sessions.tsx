// The sessions of the service, and the choice of one.
import type { SessionView } from "../shared/wire";
import { isRecorded } from "./useSessions";

export function Sessions(props: { sessions: SessionView[]; chosen: string | null; onChoose: (id: string) => void }) {
  if (!props.sessions.length) return null;
  return (
    <section class="card" aria-labelledby="sessions-title">
      <h2 id="sessions-title">Sessions</h2>
      <ul class="streams" aria-label="Sessions">
        {props.sessions.map((each) => (
          <li key={each.id}>
            <button class="grow" aria-pressed={each.id === props.chosen} onClick={() => props.onChoose(each.id)}>
              <strong>{each.id}</strong>
              <span>
                {each.state}
                {isRecorded(each) && ", recording"}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
