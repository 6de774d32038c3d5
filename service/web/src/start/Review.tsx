// What was recorded, and a report of each: one page that needs no network.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, sentence, text } from "../shared/api";
import { tell } from "../shared/notices";
import { saveText } from "../shared/save";
import type { RecordingView } from "../shared/wire";

const MOST_SHOWN = 10;
const FORBIDDEN = 403;

export function Review({ changed }: { changed: number }) {
  const [recordings, setRecordings] = useState<RecordingView[]>([]);
  const [writing, setWriting] = useState<string | null>(null);
  useEffect(() => {
    call("get", "/v1/recordings")
      .then((answer) => setRecordings(answer.recordings))
      .catch((error: unknown) => {
        // Whoever may not see recordings is shown none.
        if (!(error instanceof ApiError && error.status === FORBIDDEN)) tell("warn", sentence(error));
      });
  }, [changed]);
  if (!recordings.length) return null;

  const report = async (id: string) => {
    setWriting(id);
    try {
      saveText(`${id}.html`, "text/html", await text("/v1/recordings/{id}/report", { id }));
    } catch (error) {
      tell("bad", `There is no report of ${id}: ${sentence(error)}`);
    } finally {
      setWriting(null);
    }
  };
  return (
    <section class="card" aria-labelledby="review-title">
      <h2 id="review-title">What was recorded</h2>
      <ul class="running" aria-label="Recordings">
        {recordings.slice(0, MOST_SHOWN).map((each) => (
          <li key={each.id} class="row">
            <span class="grow">
              <b>{each.session ?? each.id}</b>, {new Date(1000 * each.changed_utc).toLocaleString()}, {(each.bytes / 1e6).toFixed(1)} MB
              {each.growing && ", still going on"}
            </span>
            <button disabled={each.growing || writing !== null} onClick={() => void report(each.id)} aria-label={`Save the report of ${each.id}`}>
              {writing === each.id ? "Writing…" : "Save the report"}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
