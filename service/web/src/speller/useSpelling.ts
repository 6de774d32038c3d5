// Spelling: what is written, each change of it kept so that it can be taken back, and the choices of
// the run that writes.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { keep, kept } from "../shared/kept";
import { isPlain } from "../shared/form/schema";
import { tell } from "../shared/notices";
import { Codes } from "./codes";
import type { Layout } from "./layout";
import { SpellingRun, type Choice, type Mode } from "./run";
import type { Onsets } from "./useOnsets";
import type { RunHandle } from "./useRun";

export interface Spelling {
  text: string;
  choices: Choice[];
  canUndo: boolean;
  /** Begin a run that writes: from nothing, or, where nothing is to be copied, on from what stands there. */
  begin(layout: Layout, mode: Mode, phrase: string): void;
  /** Have another text stand there. */
  write(text: string): void;
  /** Take the last change back. */
  undo(): void;
  forgetChoices(): void;
}

/** What is written, as the session's decoder has it; null where it keeps no text or does not answer. */
async function askForText(session: string): Promise<string | null> {
  try {
    const { decoder } = await call("get", "/v1/sessions/{id}/state", { path: { id: session } });
    const text = (decoder as Record<string, unknown> | null)?.["text"];
    return typeof text === "string" ? text : null;
  } catch (error) {
    tell("warn", sentence(error));
    return null;
  }
}

interface Page {
  session: string;
  text: string;
}

const PAGE = "volition-text";
const isPage = (value: unknown): value is Page =>
  isPlain(value) && typeof value["session"] === "string" && typeof value["text"] === "string";

export function useSpelling(session: string | null, run: RunHandle, onsets: Onsets): Spelling {
  /** Every text that stood there, the present one last. */
  const [texts, setTexts] = useState([""]);
  // After a reload or a crash of the page what was written stands there again.
  useEffect(() => {
    const page = kept(PAGE, isPage);
    if (page !== null && page.session === session && page.text) setTexts(["", page.text]);
  }, [session]);
  const [choices, setChoices] = useState<Choice[]>([]);
  const text = texts[texts.length - 1]!;
  const canUndo = texts.length > 1;
  useEffect(() => {
    if (session !== null && text) keep(PAGE, { session, text } satisfies Page);
  }, [text]);

  /** Whether the decoder is told what is written: one of coded items may know what is likely next. */
  const isTold = useRef(false);
  const begin = (layout: Layout, mode: Mode, phrase: string) => {
    isTold.current = layout.stimulus instanceof Codes;
    const goesOn = mode === "free" && phrase === "";
    if (isTold.current) onsets.wrote(goesOn ? text : "");
    if (!goesOn) setTexts([""]);
    setChoices([]);
    const spelling: SpellingRun = new SpellingRun(layout, mode, phrase.toUpperCase(), onsets.lslAt, {
      onset: (onsetMs, target, showing) => onsets.onset(layout, layout.onsetMarker, onsetMs, target, showing),
      mark: onsets.mark,
      offset: () => onsets.offset(layout.endMarker),
      choice({ chosen }) {
        setChoices([...spelling.choices]);
        if (chosen === null) return;
        setTexts((all) => [...all, spelling.text]);
        // What an item that completes a word stands for, the decoder alone knows.
        if (layout.language !== null && session !== null) void askForText(session).then((text) => text !== null && replace(spelling, text));
      },
      over: run.over,
    });
    if (goesOn) spelling.text = text;
    run.begin(spelling, (why) => {
      onsets.offset(layout.endMarker);
      if (why) tell("warn", `Spelling ended: ${why}`);
    });
  };

  const replace = (spelling: SpellingRun, text: string) => {
    spelling.text = text;
    setTexts((all) => [...all.slice(0, -1), text]);
  };
  const change = (texts: string[]) => {
    const changed = texts[texts.length - 1]!;
    setTexts(texts);
    if (isTold.current) onsets.wrote(changed);
    if (run.now.current instanceof SpellingRun) run.now.current.text = changed;
  };
  const write = (written: string) => change([...texts, written]);
  const undo = () => {
    if (canUndo) change(texts.slice(0, -1));
  };
  return { text, choices, canUndo, begin, write, undo, forgetChoices: () => setChoices([]) };
}
