// How the chosen session stands, what it lost, and what ends it.
import type { SessionHandle } from "../shared/useSession";
import type { SessionView, StateView } from "../shared/wire";
import { isFinal } from "../shared/useSessions";

const STATE_TONES: Record<string, string> = { running: "good", degraded: "warn", connecting: "warn", created: "warn", failed: "bad", stopped: "soft" };

export interface StateCardProps {
  view: SessionView | null;
  handle: SessionHandle;
  state: StateView | null;
  onStop: () => void;
  onDelete: () => void;
}

export function StateCard(props: StateCardProps) {
  const { view, handle, state } = props;
  const standing = handle.standing;
  const now = standing?.state ?? view?.state ?? "connecting";
  const reason = standing?.reason || view?.reason || "";
  const lost = state?.continuity?.missing ?? 0;
  return (
    <section class="card state" aria-labelledby="state-title">
      <div class="row">
        <h2 id="state-title">{view?.id ?? "Session"}</h2>
        <span class={`badge ${STATE_TONES[now] ?? ""}`} data-state={now}>
          {now}
        </span>
        <span class="grow reason">{reason}</span>
        <button class="small" onClick={props.onStop} disabled={isFinal(now)}>
          Stop session
        </button>
        <button class="small" onClick={props.onDelete}>
          Delete
        </button>
      </div>
      <div class="facts soft">
        <span>
          {state?.samples ?? 0} samples, {state?.intents ?? 0} intents
        </span>
        <span class={lost || state?.dropped_samples ? "warn" : ""}>
          {lost} missing in {state?.continuity?.gaps ?? 0} gaps, {state?.dropped_samples ?? 0} dropped
        </span>
        <span>
          worker generation {view?.epoch ?? "–"}, {state?.reconnects ?? 0} reconnects
        </span>
        {handle.missed > 0 && <span class="warn">{handle.missed} intents missed here</span>}
      </div>
      {view?.recording?.error && <p class="bad">Recording: {view.recording.error}</p>}
      {view?.warnings.map((warning) => (
        <p key={warning} class="warn">
          {warning}
        </p>
      ))}
      {view && view.steps.length > 1 && (
        <details>
          <summary>Steps so far</summary>
          <ol class="steps">
            {view.steps.slice(-12).map((step) => (
              <li key={step.t}>
                <span class="number">{new Date(step.utc * 1000).toLocaleTimeString()}</span> {step.state}: {step.reason}
              </li>
            ))}
          </ol>
        </details>
      )}
    </section>
  );
}
