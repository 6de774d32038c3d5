// A guided minute with the headset on: what to do now, then each electrode in words, and whether the
// signal is a brain's. It can be left out: what was not checked is told by the state of the session.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sentence, UnreachableError } from "../shared/api";
import { tell } from "../shared/notices";
import type { CheckView } from "../shared/wire";
import type { Headset } from "./headset";

const ASK_EVERY_MS = 250;

export function Check({ headset, onDone }: { headset: Headset; onDone: () => void }) {
  const [check, setCheck] = useState<CheckView | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (turn === 0) return;
    const left = new AbortController();
    setCheck(null);
    follow(headset.stream.uid, setCheck, left.signal).catch((error: unknown) => {
      if (left.signal.aborted) return;
      tell("bad", `The check did not go on: ${sentence(error)}`);
      setTurn(0);
    });
    return () => left.abort();
  }, [turn]);

  const going = turn > 0 && (check === null || check.state === "going");
  return (
    <section class="card" aria-labelledby="check-title" data-check={check?.state ?? (going ? "beginning" : "none")}>
      <h2 id="check-title">Is the headset on well?</h2>
      {turn === 0 && (
        <p>
          This takes a minute, with {headset.stream.name} on the head. The person sits still, closes the eyes, blinks and clenches the teeth, as
          this page asks.
        </p>
      )}
      {going && <Asked check={check} />}
      {check?.state === "failed" && <p class="bad">The check failed: {check.detail}.</p>}
      {check?.state === "done" && <Found check={check} />}
      <div class="row">
        {going ? (
          <button onClick={() => setTurn(0)}>Cancel</button>
        ) : (
          <>
            <button class={check?.state === "done" ? "" : "main"} onClick={() => setTurn((n) => n + 1)}>
              {check === null ? "Begin the check" : "Check again"}
            </button>
            <button class={check?.state === "done" ? "main" : ""} onClick={onDone}>
              {check?.state === "done" ? "Go on" : "Leave it out"}
            </button>
          </>
        )}
      </div>
    </section>
  );
}

function Asked({ check }: { check: CheckView | null }) {
  const step = check && check.step !== null ? check.steps[check.step] : undefined;
  const leftS = step && check ? Math.max(0, Math.ceil(check.begin_s + step.seconds - check.step_s)) : null;
  return (
    <>
      <p class="asked" role="status">
        {step ? step.ask : "It begins…"}
      </p>
      <div class="row">
        <span class="number">{leftS === null ? "" : `${leftS} s`}</span>
        <progress class="grow" aria-label="The whole check" max={1} value={check?.progress ?? 0} />
      </div>
    </>
  );
}

const BRAIN: Record<NonNullable<CheckView["brain"]>, [string, string]> = {
  yes: ["good", "The signal is a brain's."],
  no: ["bad", "This is no brain's signal: is the headset on a head, and is it the right stream?"],
  "could not tell": ["warn", "Whether the signal is a brain's could not be told. It can be tried all the same."],
};

function Found({ check }: { check: CheckView }) {
  const wrong = check.electrodes.filter((each) => !each.ok);
  const [tone, said] = BRAIN[check.brain ?? "could not tell"];
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  return (
    <>
      <h3 ref={title} tabIndex={-1} class={wrong.length ? "warn" : "good"}>
        {wrong.length === 0
          ? `All ${check.electrodes.length} electrodes are good.`
          : `${check.electrodes.length - wrong.length} of ${check.electrodes.length} electrodes are good. To do:`}
      </h3>
      {wrong.length > 0 && (
        <ul aria-label="Electrodes to mend">
          {wrong.map(({ label, found, advice }) => (
            <li key={label}>
              <b>{label}</b>: {found}. {advice && `${advice[0]!.toUpperCase()}${advice.slice(1)}.`}
            </li>
          ))}
        </ul>
      )}
      <p class={tone} data-brain={check.brain}>
        {said}
      </p>
      <details>
        <summary>How it was told</summary>
        <ul aria-label="Proofs">
          {check.proofs.map(({ name, verdict, found }) => (
            <li key={name}>
              <b>{name}</b>: {verdict}; {found}.
            </li>
          ))}
        </ul>
        <ul aria-label="Good electrodes">
          {check.electrodes
            .filter((each) => each.ok)
            .map(({ label, found }) => (
              <li key={label}>
                <b>{label}</b>: {found}.
              </li>
            ))}
        </ul>
      </details>
    </>
  );
}

/** Begin a check and follow it to its end; whoever leaves cancels it. */
async function follow(uid: string, went: (check: CheckView) => void, left: AbortSignal): Promise<void> {
  let check = await call("post", "/v1/checks", { body: { uid, pace: 1 } });
  const path = { id: check.id };
  while (check.state === "going") {
    if (!left.aborted) went(check);
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    if (left.aborted) {
      await call("delete", "/v1/checks/{id}", { path });
      return;
    }
    try {
      check = await call("get", "/v1/checks/{id}", { path });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
  }
  went(check);
}
