// The sessions of the service, the choice of one, and the way to another.
import type { SessionView } from "../shared/wire";
import { isRecorded } from "../shared/useSessions";

export interface SessionsProps {
  sessions: SessionView[];
  chosen: string | null;
  onChoose: (id: string) => void;
  /** Null while a new one is being written. */
  onNew: (() => void) | null;
}

export function Sessions({ sessions, chosen, onChoose, onNew }: SessionsProps) {
  if (!sessions.length) return null;
  return (
    <section class="card" aria-labelledby="sessions-title">
      <div class="row">
        <h2 id="sessions-title" class="grow">
          Sessions
        </h2>
        <button class="small" disabled={onNew === null} onClick={() => onNew?.()}>
          New session
        </button>
      </div>
      <ul class="streams" aria-label="Sessions">
        {sessions.map((each) => (
          <li key={each.id}>
            <button class="grow" aria-pressed={each.id === chosen} onClick={() => onChoose(each.id)}>
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
