// Half a minute of looking at one stream, and what is to be said of it: what `volition doctor
// --stream` says, with what to set for it.
import { useEffect, useState } from "preact/hooks";
import { call, sentence, UnreachableError } from "../shared/api";
import { tell } from "../shared/notices";
import type { FindingView, LookView, StreamView } from "../shared/wire";

const LOOK_S = 30;
const ASK_EVERY_MS = 500;

export interface LookProps {
  stream: StreamView;
  /** Something is to be set in a session's stream. */
  onSet: (settings: Record<string, unknown>) => void;
  onClose: () => void;
}

export function Look({ stream, onSet, onClose }: LookProps) {
  const [look, setLook] = useState<LookView | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    setLook(null);
    follow(stream.uid, (now) => left.signal.aborted || setLook(now), left.signal).catch((error: unknown) => {
      if (left.signal.aborted) return;
      tell("bad", `${stream.name} was not examined: ${sentence(error)}`);
      onClose();
    });
    return () => left.abort();
  }, [turn]);

  const going = look === null || look.state === "looking";
  return (
    <section class="look" aria-labelledby="look-title" data-look={look?.state ?? "beginning"}>
      <div class="row">
        <h3 id="look-title" class="grow">
          {stream.name}, examined
        </h3>
        {going ? (
          <button class="small" onClick={onClose}>
            Cancel
          </button>
        ) : (
          <>
            <button class="small" onClick={() => setTurn((n) => n + 1)}>
              Again
            </button>
            <button class="small" aria-label="Close what was found" onClick={onClose}>
              ×
            </button>
          </>
        )}
      </div>
      {going && (
        <div class="row">
          <span class="soft">{look?.progress ? `${Math.ceil(LOOK_S * (1 - look.progress))} s left` : "It begins…"}</span>
          <progress class="grow" aria-label={`Examination of ${stream.name}`} max={1} value={look?.progress ?? 0} />
        </div>
      )}
      {look?.state === "failed" && <p class="bad">It could not be examined: {look.detail}.</p>}
      {look?.state === "done" && <Verdict findings={look.findings} onSet={onSet} />}
    </section>
  );
}

function Verdict({ findings, onSet }: { findings: FindingView[]; onSet: LookProps["onSet"] }) {
  const wrong = findings.filter((each) => !each.ok);
  const settings = Object.assign({}, ...findings.map((each) => each.stream)) as Record<string, unknown>;
  return (
    <>
      <p role="status" class={wrong.length ? "warn" : "good"}>
        {wrong.length ? `To be looked at: ${wrong.map((each) => each.check).join(", ")}.` : "All is as it should be."}
      </p>
      <ul aria-label="What was found">
        {findings.map((each) => (
          <li key={each.check} data-ok={each.ok}>
            <strong class={each.ok ? "good" : "bad"}>{each.ok ? "✓" : "✗"}</strong> <b>{each.check}</b>: {each.found}.
            {each.advice && <span class="soft"> To do: {each.advice}</span>}
          </li>
        ))}
      </ul>
      {Object.keys(settings).length > 0 && (
        <button class="small" onClick={() => onSet(settings)}>
          Set {Object.keys(settings).join(" and ")} in the configuration
        </button>
      )}
    </>
  );
}

/** Begin a look and follow it to its end; whoever leaves cancels it. */
async function follow(uid: string, went: (look: LookView) => void, left: AbortSignal): Promise<void> {
  let look = await call("post", "/v1/looks", { body: { uid, seconds: LOOK_S } });
  const path = { id: look.id };
  while (look.state === "looking") {
    went(look);
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    if (left.aborted) {
      await call("delete", "/v1/looks/{id}", { path });
      return;
    }
    try {
      look = await call("get", "/v1/looks/{id}", { path });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
  }
  went(look);
}
