// The state of a session's worker: what it counted, its latency by step, the quality of its channels.
import { useEffect, useState } from "preact/hooks";
import { call } from "../shared/api";
import { everyBehindNews } from "../shared/news";
import type { StateView } from "../shared/wire";

const STATE_EVERY_MS = 1000;

/** Null while nothing is known; `on` says whether to ask. */
export function useSessionState(session: string | null, on: boolean): StateView | null {
  const [state, setState] = useState<StateView | null>(null);
  useEffect(() => {
    setState(null);
    if (session === null || !on) return;
    let busy = false;
    const ask = async () => {
      if (busy || document.hidden) return;
      busy = true;
      try {
        setState(await call("get", "/v1/sessions/{id}/state", { path: { id: session } }));
      } catch {
        // the socket says why the service does not answer
      } finally {
        busy = false;
      }
    };
    void ask();
    return everyBehindNews(STATE_EVERY_MS, () => void ask());
  }, [session, on]);
  return state;
}
