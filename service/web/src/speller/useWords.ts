// Words that go on from what is written, from the service: of the language that the session's decoder
// knows, else of the browser's. Where the service knows no words there are none.
import { useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";

const MOST = 5;
/** How long a text stands before it is asked about. */
const SETTLED_MS = 100;

export function useWords(text: string, language: string = navigator.language.slice(0, 2)): string[] {
  const [words, setWords] = useState<string[]>([]);
  const [known, setKnown] = useState(true);
  useEffect(() => setKnown(true), [language]);
  useEffect(() => {
    if (!known) return;
    const left = new AbortController();
    const timer = window.setTimeout(() => {
      call("get", "/v1/words", { query: { begun: begunOf(text), language, most: MOST }, signal: left.signal })
        .then((found) => {
          if (left.signal.aborted) return;
          setKnown(found.why_none === "");
          setWords(found.words.map(({ word }) => word.toUpperCase()));
        })
        .catch((error: unknown) => {
          if (!left.signal.aborted) tell("warn", sentence(error));
        });
    }, SETTLED_MS);
    return () => {
      left.abort();
      clearTimeout(timer);
      setWords([]);
    };
  }, [text, language, known]);
  return words;
}

const begunOf = (text: string) => /[^ ,.]*$/.exec(text)![0].slice(0, 64);

/** Put a word in the place of the one that was begun, with a space behind it. */
export function complete(text: string, word: string): string {
  return text.replace(/[^ ,.]*$/, word) + " ";
}
