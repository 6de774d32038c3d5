// The sessions of the service, asked for again and again.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, UnreachableError } from "./api";
import { everyBehindNews } from "./news";
import type { SessionView } from "./wire";

const SESSIONS_EVERY_MS = 1000;
const FINAL = new Set(["stopped", "failed"]);

/** Whether a session in this state is over. */
export const isFinal = (state: string) => FINAL.has(state);

/** Whether a session is written to a file now. */
export const isRecorded = (session: SessionView) => Boolean(session.recording?.file) && !isFinal(session.state);

/** Give the sessions, whether the service answers, and what asks it anew. */
export function useSessions(): { sessions: SessionView[]; reached: boolean; refresh: () => void } {
  const [sessions, setSessions] = useState<SessionView[]>([]);
  const [reached, setReached] = useState(true);
  const refresh = useCallback(() => {
    call("get", "/v1/sessions")
      .then((answer) => {
        setSessions((before) => (JSON.stringify(answer.sessions) === JSON.stringify(before) ? before : answer.sessions));
        setReached(true);
      })
      .catch((error: unknown) => {
        if (error instanceof UnreachableError) setReached(false);
      });
  }, []);
  useEffect(() => {
    refresh();
    return everyBehindNews(SESSIONS_EVERY_MS, () => document.hidden || refresh());
  }, [refresh]);
  return { sessions, reached, refresh };
}
