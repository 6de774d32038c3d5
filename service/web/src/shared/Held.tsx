// The emergency stop while it holds, and its release: a deed of its own, done on purpose, after it
// was told what will move again.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, sentence } from "./api";
import { tell } from "./notices";
import type { SessionView } from "./wire";

export interface HeldProps {
  session: string;
  confirmed: boolean;
  /** What of this page moves again. */
  moves: string | undefined;
}

export function Held({ session, confirmed, moves }: HeldProps) {
  const [releasing, setReleasing] = useState(false);
  return (
    <>
      <div class="held" role="alert">
        {confirmed ? "Emergency stop: all output is neutral until it is released." : "Emergency stop: asked for, NOT YET CONFIRMED."}
        <button onClick={() => setReleasing(true)}>Release…</button>
      </div>
      {releasing && <Release session={session} moves={moves} onClose={() => setReleasing(false)} />}
    </>
  );
}

interface Standing {
  view: SessionView;
  /** Other sessions that are held, and stay so. */
  others: string[];
}

async function standingOf(session: string): Promise<Standing> {
  const { sessions } = await call("get", "/v1/sessions");
  const view = sessions.find((each) => each.id === session);
  if (!view) throw new Error(`the session ${session} is not there any more`);
  return { view, others: sessions.filter((each) => each.held && each.id !== session).map((each) => each.id) };
}

function Release({ session, moves, onClose }: { session: string; moves: string | undefined; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [standing, setStanding] = useState<Standing | null>(null);
  const [looked, setLooked] = useState(false);
  const [releasing, setReleasing] = useState(false);
  const [again, setAgain] = useState(false);

  const ask = () =>
    standingOf(session)
      .then(setStanding)
      .catch((error: unknown) => {
        tell("bad", sentence(error));
        onClose();
      });
  useEffect(() => {
    dialog.current?.showModal();
    void ask();
    // Escape is the emergency stop everywhere; here it closes this too.
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, []);

  const release = async ({ view }: Standing) => {
    setReleasing(true);
    try {
      await call("delete", "/v1/sessions/{id}/estop", { path: { id: session }, query: { order: view.stop.order } });
      onClose();
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) {
        setAgain(true);
        setLooked(false);
        await ask();
      } else tell("bad", `The stop was not released: ${sentence(error)}`);
    } finally {
      setReleasing(false);
    }
  };

  return (
    <dialog ref={dialog} class="card release" aria-labelledby="release-title" onClose={onClose}>
      <h2 id="release-title">Release the emergency stop of {session}?</h2>
      {again && <p class="warn">It was pressed again meanwhile. Look once more.</p>}
      {standing === null ? <p class="soft">Asking what will move…</p> : <WhatMoves standing={standing} moves={moves} />}
      <label>
        <input type="checkbox" checked={looked} disabled={standing === null} onChange={(event) => setLooked(event.currentTarget.checked)} />
        I have looked: all of this may move now.
      </label>
      <div class="row">
        <button class="grow" autofocus onClick={onClose}>
          Keep it stopped
        </button>
        <button class="main" disabled={standing === null || !looked || releasing} onClick={() => standing && void release(standing)}>
          {releasing ? "Releasing…" : "Release"}
        </button>
      </div>
    </dialog>
  );
}

function WhatMoves({ standing: { view, others }, moves }: { standing: Standing; moves: string | undefined }) {
  const { pressed, release_moves: told } = view.stop;
  const decoder = view.config.decoder as { kind: string };
  return (
    <>
      {pressed && (
        <p class="soft">
          Pressed by {pressed.by} ({pressed.where}) at {new Date(pressed.utc * 1000).toLocaleTimeString()}.
        </p>
      )}
      <p>This moves again:</p>
      <ul aria-label="What moves again">
        <li>
          what <code>{decoder.kind}</code> decodes in {view.id} ({view.state})
        </li>
        {moves && <li>{moves}</li>}
        {told.map((each) => (
          <li key={each}>{each}</li>
        ))}
      </ul>
      {others.length > 0 && <p class="soft">Stopped as well, and stays so: {others.join(", ")}.</p>}
    </>
  );
}
