// The targets of the session's decoder: its configuration names those that flicker; of those that flash
// the service gives the code book.
import { useEffect, useMemo, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import type { CodeBookView, Hello } from "../shared/wire";
import { layoutOf, layoutOfBook, type Layout } from "./layout";

export function useLayout(session: string | null, hello: Hello | null): Layout | null {
  const [book, setBook] = useState<CodeBookView | null>(null);
  const decoder = hello?.config.decoder as Record<string, unknown> | undefined;
  const flashes = session !== null && decoder?.["book"] !== undefined;

  useEffect(() => {
    setBook(null);
    if (!flashes) return;
    let left = false;
    call("get", "/v1/sessions/{id}/book", { path: { id: session } })
      .then((found) => !left && setBook(found))
      .catch((error: unknown) => tell("warn", sentence(error)));
    return () => {
      left = true;
    };
  }, [session, flashes, decoder]);
  return useMemo(() => (hello === null ? null : book ? layoutOfBook(book, decoder?.["words"]) : layoutOf(hello.config)), [hello, book]);
}
