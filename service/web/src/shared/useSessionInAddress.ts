// The session that a page works on, which its address names after '#'.
import { useEffect, useState } from "preact/hooks";

/** Give the session that the address names (null: none), and what names another in both. */
export function useSessionInAddress() {
  const [session, setSession] = useState(sessionOfAddress);
  useEffect(() => {
    const name = session === null ? location.pathname : `#${encodeURIComponent(session)}`;
    history.replaceState(null, "", name);
  }, [session]);
  return [session, setSession] as const;
}

function sessionOfAddress(): string | null {
  const name = decodeURIComponent(location.hash.slice(1));
  return name && name !== "main" ? name : null;
}
