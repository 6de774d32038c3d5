// What is written, how the last trial went, and words to go on with, by button or by key.
import { useEffect } from "preact/hooks";
import { useLatest } from "../shared/useLatest";
import type { Choice } from "./run";
import type { Spelling } from "./useSpelling";
import { complete, useWords } from "./useWords";
import { Voice } from "./Voice";

const NOTHING: Record<string, string> = {
  rest: "the signal looks like rest",
  low_confidence: "it was not sure enough",
  missing_samples: "samples were missing",
  no_answer: "no decision came in time",
  held: "the emergency stop is on",
};

export function Written({ spelling, language, session }: { spelling: Spelling; language: string | null; session: string | null }) {
  const { text, choices } = spelling;
  const words = useWords(text, language ?? undefined);
  useKeys(spelling, words);
  const last = choices[choices.length - 1];
  return (
    <section class="card written" aria-label="What is written">
      <output class="text" aria-live="polite">
        {text || " "}
      </output>
      <div class="row">
        <span class={last?.chosen === null ? "warn" : "soft"} role="status" data-last={last ? (last.chosen ?? "nothing") : ""}>
          {last && outcomeOf(last)}
        </span>
        {words.map((word, i) => (
          <button key={word} class="small" onClick={() => spelling.write(complete(text, word))}>
            {i + 1} {word}
          </button>
        ))}
        <span class="grow" />
        <button class="small" onClick={spelling.undo} disabled={!spelling.canUndo}>
          Undo (Backspace)
        </button>
      </div>
      <Voice text={text} session={session} />
    </section>
  );
}

const outcomeOf = ({ chosen, idle, flickerS }: Choice) =>
  chosen === null ? `Nothing was selected: ${NOTHING[idle] ?? idle}.` : `${chosen}, after ${flickerS.toFixed(2)} s.`;

/** Write a suggested word by its number and undo by Backspace, but for keys that go into a field. */
function useKeys(spelling: Spelling, words: string[]): void {
  // A key means what is on the screen when it is pressed, not what was there before the last drawing.
  const now = useLatest({ ...spelling, words });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /INPUT|SELECT|TEXTAREA/.test(event.target.tagName);
      if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
      const { text, words, write, undo } = now.current;
      const word = words[Number(event.key) - 1];
      if (word !== undefined) write(complete(text, word));
      else if (event.key === "Backspace") undo();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
