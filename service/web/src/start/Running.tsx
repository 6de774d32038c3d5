// What runs already: to go on with it, or to end it.
import { useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import type { SessionView } from "../shared/wire";

/** The page on which the intents of a decoder are of use, by what is known of its settings. */
function pageOf({ config }: SessionView): string {
  const decoder = config.decoder as unknown as Record<string, unknown>;
  if ("cursor" in decoder) return "cursor";
  if ("classes" in decoder) return "training";
  return "targets" in decoder || "book" in decoder ? "speller" : "console";
}

export function Running({ sessions, onChanged }: { sessions: SessionView[]; onChanged: () => void }) {
  const [ending, setEnding] = useState<string | null>(null);
  const end = async (id: string) => {
    setEnding(id);
    try {
      await call("delete", "/v1/sessions/{id}", { path: { id } });
      onChanged();
    } catch (error) {
      tell("bad", sentence(error));
    } finally {
      setEnding(null);
    }
  };
  return (
    <section class="card" aria-labelledby="running-title">
      <h2 id="running-title">This runs already</h2>
      <ul class="running">
        {sessions.map((each) => (
          <li key={each.id} class="row">
            <span class="grow">
              <b>{each.id}</b>: {each.state}
              {each.reason && `, ${each.reason}`}
            </span>
            <a class="button main" href={`./${pageOf(each)}#${encodeURIComponent(each.id)}`}>
              Go on with {each.id}
            </a>
            <button disabled={ending === each.id} onClick={() => void end(each.id)} aria-label={`End ${each.id}`}>
              End
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
